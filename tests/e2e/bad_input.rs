//! What a server must refuse, and go on.

use anyhow::{Result, ensure};
use frontdesk_tests::client::Caller;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::program::{Options, Program};

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
