//! Rate limits. Wants a host of its own, just started, with its limits on: nobody else may have called it.

use anyhow::{Result, ensure};
use frontdesk_tests::client::{Caller, http};
use reqwest::Method;
use serde_json::json;

use crate::case::{Case, events, get, patch};

#[tokio::test]
async fn who_calls_too_often_is_told_how_long_to_wait() -> Result<()> {
    let mut case = Case::begin().await?;
    let (http, host) = (http()?, case.host.clone());
    let call = |path: &str, body| http.post(format!("{}{path}", host.base_url)).json(&body);
    let begin = || call("/api/v1/widget/sessions", json!({ "site_key": host.site_key }));
    let login = || {
        let body = json!({ "email": host.admin_email, "password": "wrong password" });
        call("/api/v1/auth/login", body)
    };

    case.title("The first call of an address");
    let session = case.send(begin(), 201).await?;
    let visitor = case.with_token(&session.text("/visitor_token")?, "visitor");
    let path = events(&visitor.begin().await?, "after=0");
    case.title("The first call of a visitor that reads");
    case.send(get(&visitor, &path), 200).await?;
    case.title("One too many");
    case.send_until(|| get(&visitor, &path), 429).await?;

    // An address is allowed so much that it takes long to use it up.
    let operator = Caller::operator(&host).await?;
    let narrow = json!({ "limits": { "address_calls_per_minute": 60 } });
    let changed = patch(&operator, "/api/v1/settings", 0, &narrow).send().await?;
    ensure!(changed.status() == 200, "{}", changed.text().await?);
    case.title("An address with too many new visitors");
    case.send_until(begin, 429).await?;

    case.title("Naming another address helps nobody");
    let forged = ["forwarded", "x-forwarded-for", "x-real-ip", "spin-client-addr"];
    // Another process may learn of the change a little later.
    let other = || forged.into_iter().fold(begin(), |call, name| call.header(name, "203.0.113.9"));
    case.send_until(other, 429).await?;

    case.title("Attempts to log in are counted for themselves");
    case.send(login(), 401).await?;
    case.send_until(login, 429).await?;
    case.title("Whether it is alive is never counted");
    for _ in 0..200 {
        case.public(Method::GET, "/health/live").send().await?.error_for_status()?;
    }
    case.send(case.public(Method::GET, "/health/live"), 200).await?;
    case.end("limits")
}
