//! Pages of other origins: what a browser asks before it calls for one, and what lets it show the answer.

use anyhow::{Context, Result, ensure};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::case::{Case, get, message, messages, patch, post};

const PAGE: &str = "https://shop.example";

/// What `OPTIONS` is answered for this call of a page.
async fn preflight(case: &Case, method: &str, path: &str) -> Result<HeaderMap> {
    let request = case
        .public(Method::OPTIONS, path)
        .header("origin", PAGE)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization,content-type,if-match,last-event-id");
    let response = request.send().await?;
    ensure!(response.status() == StatusCode::NO_CONTENT, "{method} {path}: {}", response.status());
    Ok(response.headers().clone())
}

fn list<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',').map(str::trim)).collect()
}

fn may_read(headers: &HeaderMap, what: &str) -> Result<()> {
    ensure!(list(headers, "access-control-allow-origin") == [PAGE], "{what}: {headers:?}");
    ensure!(
        list(headers, "vary").iter().any(|name| name.eq_ignore_ascii_case("origin")),
        "{what}: {headers:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_origin_may_call_what_visitors_call() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;
    let room = |what: &str| format!("/api/v1/conversations/{conversation}{what}");
    for (method, path) in [
        ("POST", "/api/v1/widget/sessions".to_owned()),
        ("POST", "/api/v1/conversations".to_owned()),
        ("PATCH", room("")),
        ("POST", room("/messages")),
        ("GET", room("/events?after=0")),
        ("POST", room("/read")),
        ("POST", room("/rating")),
        ("POST", "/api/v1/messages/msg_01h455vb4pex5vsknk084sn02q/feedback".to_owned()),
        ("POST", "/api/v1/uploads".to_owned()),
        ("GET", "/api/v1/uploads/upl_01h455vb4pex5vsknk084sn02q".to_owned()),
        ("GET", "/api/v1/settings/limits".to_owned()),
    ] {
        let what = format!("{method} {path}");
        let headers = preflight(&case, method, &path).await?;
        may_read(&headers, &what)?;
        ensure!(list(&headers, "access-control-allow-methods").contains(&method), "{what}: {headers:?}");
        // An asterisk does not stand for Authorization.
        let fields = list(&headers, "access-control-allow-headers");
        for field in ["authorization", "content-type", "if-match", "last-event-id", "idempotency-key"] {
            ensure!(fields.iter().any(|name| name.eq_ignore_ascii_case(field)), "{what}: no {field}");
        }
        let age: u32 = list(&headers, "access-control-max-age").first().context("an age")?.parse()?;
        ensure!(age >= 600, "{what}: {age}");
        ensure!(!headers.contains_key("access-control-allow-credentials"), "{what}");
    }
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_origin_reads_answers_and_refusals() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    let sites = "/api/v1/sites";
    let site: Value =
        post(&operator, sites, &json!({ "name": "Shop", "origins": [PAGE] })).send().await?.json().await?;
    let begin = case.public(Method::POST, "/api/v1/widget/sessions").header("origin", PAGE);
    let session: Value = begin.json(&json!({ "site_key": site["site_key"] })).send().await?.json().await?;
    let visitor = case.with_token(session["visitor_token"].as_str().context("no token")?, "visitor");
    let conversation = visitor.begin().await?;
    let change = json!({ "mode": "closed" });
    for (what, request, status) in [
        ("a message", post(&visitor, &messages(&conversation), &message("a", "How much is delivery?")), 202),
        ("a read", get(&visitor, &format!("/api/v1/conversations/{conversation}/events?after=0")), 200),
        (
            "a stale change",
            patch(&operator, &format!("/api/v1/conversations/{conversation}"), 99, &change),
            412,
        ),
        (
            "no such conversation",
            get(&visitor, "/api/v1/conversations/conv_01h455vb4pex5vsknk084sn02q/events"),
            404,
        ),
        ("no token", case.public(Method::POST, "/api/v1/conversations").json(&json!({})), 401),
        ("no such method", case.public(Method::DELETE, "/api/v1/conversations"), 405),
    ] {
        let response = request.header("origin", PAGE).send().await?;
        ensure!(response.status().as_u16() == status, "{what}: {}", response.status());
        may_read(response.headers(), what)?;
        let exposed = list(response.headers(), "access-control-expose-headers");
        for field in ["etag", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id"] {
            ensure!(exposed.contains(&field), "{what}: {field} is not exposed");
        }
    }
    let foreign = post(&visitor, &messages(&conversation), &message("b", "And to Tula?"));
    let refused = foreign.header("origin", "https://elsewhere.example").send().await?;
    ensure!(refused.status().as_u16() == 403, "a page that is not the site's: {}", refused.status());
    let path = format!("{sites}/{}", site["id"].as_str().context("no id")?);
    operator.request(Method::DELETE, &path).send().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_for_users_is_not_for_pages_of_other_origins() -> Result<()> {
    let case = Case::begin().await?;
    for (method, path) in
        [("PATCH", "/api/v1/settings"), ("GET", "/api/v1/documents"), ("POST", "/api/v1/auth/login")]
    {
        let headers = preflight(&case, method, path).await?;
        ensure!(!headers.contains_key("access-control-allow-origin"), "{method} {path}: {headers:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_widget_is_a_script_for_any_page() -> Result<()> {
    let case = Case::begin().await?;
    let script = case.public(Method::GET, "/widget.js").header("origin", PAGE).send().await?;
    ensure!(script.status() == StatusCode::OK, "{}", script.status());
    let headers = script.headers();
    ensure!(list(headers, "access-control-allow-origin") == ["*"], "{headers:?}");
    ensure!(list(headers, "cross-origin-resource-policy") == ["cross-origin"], "{headers:?}");
    let tag = list(headers, "etag").join("");
    if !tag.is_empty() {
        let again =
            case.public(Method::GET, "/widget.js").header("origin", PAGE).header("if-none-match", tag);
        let again = again.send().await?;
        ensure!(again.status() == StatusCode::NOT_MODIFIED, "{}", again.status());
        ensure!(list(again.headers(), "access-control-allow-origin") == ["*"], "{:?}", again.headers());
    }
    Ok(())
}
