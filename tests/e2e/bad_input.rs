//! What a server must refuse, and go on.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::program::{Options, Program};
use frontdesk_tests::client::{Caller, http};

/// Sends raw bytes as a JSON body and gives the status and the problem.
async fn send(visitor: &Caller, path: &str, body: impl Into<reqwest::Body>) -> Result<(StatusCode, Value)> {
    let request = visitor.http.post(format!("{}{path}", visitor.base)).bearer_auth(&visitor.token);
    let response = request.header("content-type", "application/json").body(body).send().await?;
    let (status, kind) = (response.status(), response.headers().get("content-type").cloned());
    ensure!(
        kind.is_some_and(|kind| kind == "application/problem+json"),
        "{status} without a problem document"
    );
    Ok((status, response.json().await?))
}

#[tokio::test]
async fn every_bad_message_is_refused_with_its_field_and_nothing_is_stored() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let long = "я".repeat(4001);
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (json!({ "client_id": "a", "text": "" }).to_string().into(), 422, "/text"),
        (json!({ "client_id": "a", "text": "  \n" }).to_string().into(), 422, "/text"),
        (json!({ "client_id": "a", "text": long }).to_string().into(), 422, "/text"),
        (json!({ "client_id": "", "text": "x" }).to_string().into(), 422, "/client_id"),
        (json!({ "client_id": "a b", "text": "x" }).to_string().into(), 422, "/client_id"),
        (json!({ "client_id": "a", "text": 7 }).to_string().into(), 422, "/text"),
        (json!({ "client_id": "a", "text": null }).to_string().into(), 422, "/text"),
        (json!({ "client_id": "a", "text": "x", "colour": 1 }).to_string().into(), 422, "/colour"),
        (json!({ "client_id": "a", "text": "x", "note": true }).to_string().into(), 422, "/note"),
        (
            json!({ "client_id": "a", "text": "x", "attachments": ["nonsense"] }).to_string().into(),
            422,
            "/attachments/0",
        ),
        (json!({ "text": "x" }).to_string().into(), 422, ""),
        (b"{\"client_id\":\"a\",\"text\":".to_vec(), 400, ""),
        (b"".to_vec(), 400, ""),
        (b"{\"client_id\":\"a\",\"text\":\"\xff\xfe\"}".to_vec(), 400, ""),
        (b"[]".to_vec(), 422, ""),
        (vec![b'['; 100_000], 422, "/0"),
    ];
    for (body, status, pointer) in cases {
        let shown = String::from_utf8_lossy(&body).chars().take(80).collect::<String>();
        let (got, problem) = send(&visitor, &path, body).await?;
        ensure!(got.as_u16() == status, "{shown}: {got} {problem}");
        ensure!(problem["status"] == status && problem["request_id"].is_string());
        if !pointer.is_empty() {
            ensure!(problem["errors"][0]["pointer"] == pointer, "{shown}: {problem}");
        }
    }
    ensure!(visitor.log(&conversation).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_huge_body_is_refused_before_it_is_read() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let path = format!("/api/v1/conversations/{}/messages", visitor.begin().await?);
    let (status, problem) = send(&visitor, &path, vec![b' '; 100 << 20]).await?;
    ensure!(status == StatusCode::PAYLOAD_TOO_LARGE, "{status}");
    ensure!(problem["detail"].as_str().is_some_and(|detail| detail.contains("262144")), "{problem}");

    // Without an announced length, too.
    let pieces = futures_util::stream::iter((0..1600).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 << 10])));
    let (status, _) = send(&visitor, &path, reqwest::Body::wrap_stream(pieces)).await?;
    ensure!(status == StatusCode::PAYLOAD_TOO_LARGE, "{status}");
    Ok(())
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_there() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let (one, other) = (Caller::visitor(&program.ready).await?, Caller::visitor(&program.ready).await?);
    let conversation = one.begin().await?;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let body = json!({ "client_id": "a", "text": "x" });

    for path in [
        format!("/api/v1/conversations/{conversation}/events"),
        "/api/v1/conversations/nonsense/events".into(),
    ] {
        ensure!(other.get(&path, "application/json").await?.status() == StatusCode::NOT_FOUND);
    }
    ensure!(other.post(&messages, &body, "application/json").await?.status() == StatusCode::NOT_FOUND);

    for token in ["nonsense", "", "eyJhbGciOiJub25lIn0.e30."] {
        let stranger = Caller { token: token.to_owned(), ..one.clone() };
        let response = stranger.post(&messages, &body, "application/json").await?;
        ensure!(response.status() == StatusCode::UNAUTHORIZED, "{token}: {}", response.status());
    }
    // A token that was signed by another deployment.
    let elsewhere = Program::start(Options::default().flag("--empty")).await?;
    let foreign = Caller { token: Caller::visitor(&elsewhere.ready).await?.token, ..one.clone() };
    ensure!(foreign.post(&messages, &body, "application/json").await?.status() == StatusCode::UNAUTHORIZED);
    // A visitor is no operator.
    ensure!(one.get("/api/v1/settings", "application/json").await?.status() == StatusCode::UNAUTHORIZED);
    Ok(())
}

#[tokio::test]
async fn positions_keys_and_origins_out_of_range_are_named() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    for (query, pointer) in [
        ("after=1", "?after"),
        ("after=-1", "?after"),
        ("after=x", "?after"),
        ("limit=0", "?limit"),
        ("limit=501", "?limit"),
        ("colour=1", "?colour"),
    ] {
        let path = format!("/api/v1/conversations/{conversation}/events?{query}");
        let response = visitor.get(&path, "application/json").await?;
        ensure!(response.status() == StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", response.status());
        let problem: Value = response.json().await?;
        ensure!(problem["errors"][0]["pointer"] == pointer, "{query}: {problem}");
    }
    let read = visitor
        .post(&format!("/api/v1/conversations/{conversation}/read"), &json!({ "seq": 9 }), "application/json")
        .await?;
    ensure!(read.status() == StatusCode::UNPROCESSABLE_ENTITY);

    let sessions = |body: Value, origin: Option<&'static str>| {
        let request = http().map(|http| http.post(program.url("/api/v1/widget/sessions")).json(&body));
        async move {
            let request = request?;
            let request = match origin {
                Some(origin) => request.header("origin", origin),
                None => request,
            };
            Ok::<_, anyhow::Error>(request.send().await?)
        }
    };
    let unknown = sessions(json!({ "site_key": "pk_unknown" }), None).await?;
    ensure!(unknown.status() == StatusCode::UNPROCESSABLE_ENTITY);
    let strange =
        sessions(json!({ "site_key": program.ready.site_key }), Some("https://evil.example")).await?;
    ensure!(strange.status() == StatusCode::FORBIDDEN);

    let wrong = http()?.delete(program.url("/api/v1/conversations")).send().await?;
    ensure!(wrong.status() == StatusCode::METHOD_NOT_ALLOWED);
    ensure!(wrong.headers().get("allow").is_some_and(|allow| allow == "POST"));
    Ok(())
}
