//! People: registration, invitations, members, choosing an organisation. Wants a host of its own where registration is open.

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, poll};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::case::{Answer, Case, get, post};

const PASSWORD: &str = "violet-harbour-19";

fn cookie(answer: &Answer) -> Result<String> {
    let cookie = answer.headers.get("set-cookie").context("a cookie")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

fn public(case: &Case, call: &str, body: &Value) -> RequestBuilder {
    case.public(Method::POST, &format!("/api/v1/auth/{call}")).json(body)
}

fn with_cookie(case: &Case, call: &str, cookie: &str, body: &Value) -> RequestBuilder {
    public(case, call, body).header("origin", &case.host.base_url).header("cookie", cookie)
}

async fn invited(operator: &Caller, email: &str, role: &str) -> Result<String> {
    let body = json!({ "email": email, "role": role });
    let made = operator.post("/api/v1/members/invites", &body, "application/json").await?;
    ensure!(made.status() == StatusCode::CREATED, "{}", made.text().await?);
    let made: Value = made.json().await?;
    let link = made["accept_url"].as_str().context("a link")?;
    Ok(link.split_once('#').context("a token after #")?.1.to_owned())
}

#[tokio::test]
async fn one_registers_is_invited_elsewhere_and_chooses() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    let new =
        json!({ "organisation": "Rose", "name": "Rosa", "email": "Rosa@Rose.example", "password": PASSWORD });
    case.title("Registers");
    let rosa = case.send(public(&case, "register", &new), 201).await?;
    let hers = case.with_token(&rosa.text("/access_token")?, "rosa");
    case.send(get(&hers, "/api/v1/members"), 200).await?;
    case.send(get(&hers, "/api/v1/projects"), 200).await?;
    let token = invited(&operator, "rosa@rose.example", "operator").await?;
    case.title("Accepts an invitation of another organisation");
    let accept = json!({ "token": token, "name": "Rosa", "password": PASSWORD });
    let joined = case.send(public(&case, "invites/accept", &accept), 200).await?;
    case.title("Once");
    case.send(public(&case, "invites/accept", &accept), 409).await?;
    case.title("Goes back to her own");
    let switch = json!({ "organisation": rosa.text("/organisation/id")? });
    let back = case.send(with_cookie(&case, "switch", &cookie(&joined)?, &switch), 200).await?;
    ensure!(back.text("/organisation/name")? == "Rose");
    case.title("She is not let into a third one");
    let third = json!({ "organisation": "org_01h455vb4pex5vsknk084sn02q" });
    case.send(with_cookie(&case, "switch", &cookie(&back)?, &third), 404).await?;
    case.end("people")
}

#[tokio::test]
async fn who_is_disabled_is_out_within_five_seconds() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    let token = invited(&operator, "dora@camomile.example", "operator").await?;
    let accept = json!({ "token": token, "name": "Dora", "password": PASSWORD });
    let dora = case.send(public(&case, "invites/accept", &accept), 200).await?;
    let hers = case.with_token(&dora.text("/access_token")?, "dora");
    case.send(get(&hers, "/api/v1/me"), 200).await?;
    let path = format!("/api/v1/members/{}", dora.text("/user/id")?);
    case.title("Her access token has many minutes left");
    case.send(operator.request(Method::PATCH, &path).json(&json!({ "disabled": true })), 200).await?;
    let since = std::time::Instant::now();
    poll("the token to end", async || {
        let answer = get(&hers, "/api/v1/me").send().await?;
        Ok((answer.status() == StatusCode::UNAUTHORIZED).then_some(()))
    })
    .await?;
    // With its own clock another test says 5 s; here it is far from the token's end alone.
    ensure!(since.elapsed().as_secs() < 60, "{:?}", since.elapsed());
    case.send(get(&hers, "/api/v1/me"), 401).await?;
    case.send(with_cookie(&case, "refresh", &cookie(&dora)?, &json!({})), 401).await?;
    case.title("The last owner stays");
    let me = case.send(get(&operator, "/api/v1/me"), 200).await?;
    let path = format!("/api/v1/members/{}", me.text("/user/id")?);
    case.send(operator.request(Method::DELETE, &path), 409).await?;
    case.title("A role above one's own");
    let token = invited(&operator, "ada@camomile.example", "admin").await?;
    let accept = json!({ "token": token, "name": "Ada", "password": PASSWORD });
    let ada = case.send(public(&case, "invites/accept", &accept), 200).await?;
    let hers = case.with_token(&ada.text("/access_token")?, "ada");
    let above = json!({ "email": "x@camomile.example", "role": "owner" });
    case.send(post(&hers, "/api/v1/members/invites", &above), 422).await?;
    case.end("people_disabled")
}
