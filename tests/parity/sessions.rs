//! How the widget begins.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::{Case, get, post};

const SESSIONS: &str = "/api/v1/widget/sessions";

#[tokio::test]
async fn a_visitor_comes_and_comes_back() -> Result<()> {
    let mut case = Case::begin().await?;
    let key = case.host.site_key.clone();
    let begin = |case: &Case, body: &Value| case.public(Method::POST, SESSIONS).json(body);

    case.title("A new visitor, from a page of this deployment");
    let body = json!({ "site_key": key, "locale": "ru-RU", "page_url": "https://camomile.example/tea" });
    let origin = case.host.base_url.clone();
    let request = begin(&case, &body).header("origin", origin);
    let first = case.send(request, 201).await?;
    let visitor = case.with_token(&first.text("/visitor_token")?, "visitor");

    case.title("The same visitor, without a conversation yet");
    let body = json!({ "site_key": key, "visitor_token": visitor.token });
    let again = case.send(begin(&case, &body), 201).await?;
    ensure!(again.body["visitor"] == first.body["visitor"]);

    case.title("Begins one");
    let conversation = case.send(post(&visitor, "/api/v1/conversations", &json!({})), 201).await?;

    case.title("And comes back to it");
    let again = case.send(begin(&case, &body), 201).await?;
    ensure!(again.body["conversation"] == conversation.body);

    case.title("A token that is none begins a new visitor");
    let body = json!({ "site_key": key, "visitor_token": "nonsense" });
    let other = case.send(begin(&case, &body), 201).await?;
    ensure!(other.body["visitor"] != first.body["visitor"]);
    case.end("sessions")
}

#[tokio::test]
async fn who_may_not_begin_is_told_why() -> Result<()> {
    let mut case = Case::begin().await?;
    let key = case.host.site_key.clone();

    case.title("Another site's page");
    let begin = case.public(Method::POST, SESSIONS).header("origin", "https://evil.example");
    case.send(begin.json(&json!({ "site_key": key })), 403).await?;

    case.title("May read that, and so it is told what it may send");
    let preflight = case.public(Method::OPTIONS, SESSIONS).header("origin", "https://evil.example");
    let preflight = preflight
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    case.send(preflight, 204).await?;

    for (title, body) in [
        ("No such site", json!({ "site_key": "pk_unknown" })),
        ("No site at all", json!({})),
        ("A field that there is not", json!({ "site_key": key, "colour": "red" })),
        ("A language that is too long", json!({ "site_key": key, "locale": "x".repeat(36) })),
    ] {
        case.title(title);
        case.send(case.public(Method::POST, SESSIONS).json(&body), 422).await?;
    }

    case.title("A call without a token");
    case.send(case.public(Method::POST, "/api/v1/conversations").json(&json!({})), 401).await?;

    case.title("A call with a token that is none");
    let stranger = case.with_token("nonsense", "a stranger");
    case.send(post(&stranger, "/api/v1/conversations", &json!({})), 401).await?;

    case.title("A visitor where a user is wanted, and the other way round");
    let (visitor, operator) = (case.visitor("visitor").await?, case.operator().await?);
    case.send(get(&visitor, "/api/v1/settings"), 401).await?;
    case.send(post(&operator, "/api/v1/conversations", &json!({})), 401).await?;
    case.end("sessions_refused")
}
