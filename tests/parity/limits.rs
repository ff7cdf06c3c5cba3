//! Rate limits. Wants a host of its own, just started, with its limits on: nobody else may have called it.

use anyhow::{Result, bail};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use crate::case::{Case, events, get, post};

/// Calls until it is refused, and writes down the refusal.
async fn until_refused(case: &mut Case, request: impl Fn(&Case) -> RequestBuilder) -> Result<()> {
    // The allowance comes back slowly: a minute for all of it, the largest of which is 100.
    for _ in 0..300 {
        if request(case).send().await?.status() == StatusCode::TOO_MANY_REQUESTS {
            case.send(request(case), 429).await?;
            return Ok(());
        }
    }
    bail!("it was never refused")
}

#[tokio::test]
async fn who_calls_too_often_is_told_how_long_to_wait() -> Result<()> {
    let mut case = Case::begin().await?;
    case.title("The first call of an address that changes something");
    let begin = |case: &Case| {
        let body = json!({ "site_key": case.host.site_key });
        case.public(Method::POST, "/api/v1/widget/sessions").json(&body)
    };
    let session = case.send(begin(&case), 201).await?;
    let visitor = case.with_token(&session.text("/visitor_token")?, "visitor");
    let conversation = visitor.begin().await?;

    case.title("The first one of a visitor that reads");
    let path = events(&conversation, "after=0");
    case.send(get(&visitor, &path), 200).await?;
    case.title("One too many");
    until_refused(&mut case, |_| get(&visitor, &path)).await?;
    case.title("The address may still write, until that is too often, too");
    case.send(
        post(&visitor, &format!("/api/v1/conversations/{conversation}/read"), &json!({ "seq": 0 })),
        204,
    )
    .await?;
    until_refused(&mut case, begin).await?;

    case.title("Attempts to log in are counted for themselves");
    let login = |case: &Case| {
        let body = json!({ "email": case.host.admin_email, "password": "wrong password" });
        case.public(Method::POST, "/api/v1/auth/login").json(&body)
    };
    case.send(login(&case), 401).await?;
    until_refused(&mut case, login).await?;
    case.title("Whether it is alive is never counted");
    for _ in 0..200 {
        case.public(Method::GET, "/health/live").send().await?.error_for_status()?;
    }
    case.send(case.public(Method::GET, "/health/live"), 200).await?;
    case.end("limits")
}
