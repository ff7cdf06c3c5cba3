//! What a host answers that has nothing to work with yet: no database, no documents. `cargo xtask test --part edge` runs
//! these against the edge hosts at `FRONTDESK_BASE_URL`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method, Response, StatusCode, header};
use serde_json::Value;

/// How long a host may take for one answer.
const DEADLINE: Duration = Duration::from_secs(20);

fn client() -> Result<Client> {
    // A second installation of the same provider changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().timeout(DEADLINE).build()?)
}

async fn send(method: Method, path: &str) -> Result<Response> {
    let base = std::env::var("FRONTDESK_BASE_URL").context("FRONTDESK_BASE_URL says where the host is")?;
    Ok(client()?.request(method, format!("{base}{path}")).send().await?)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

#[tokio::test]
async fn a_live_host_says_so() -> Result<()> {
    let response = send(Method::GET, "/health/live").await?;
    ensure!(response.status() == StatusCode::OK, "{}", response.status());
    ensure!(header(&response, "content-type") == "application/json");
    let body: Value = response.json().await?;
    ensure!(body["status"] == "ok", "{body}");
    ensure!(body["version"].as_str().is_some_and(|version| !version.is_empty()), "{body}");
    Ok(())
}

#[tokio::test]
async fn every_answer_carries_the_fixed_headers_and_an_id_of_its_own() -> Result<()> {
    let (one, other) = (send(Method::GET, "/health/live").await?, send(Method::GET, "/nothing/here").await?);
    for response in [&one, &other] {
        ensure!(header(response, "x-content-type-options") == "nosniff");
        ensure!(header(response, "x-frame-options") == "DENY");
        ensure!(header(response, "referrer-policy") == "no-referrer");
        ensure!(header(response, "cache-control") == "no-store");
        ensure!(header(response, "content-security-policy").contains("default-src 'none'"));
        ensure!(header(response, "x-request-id").starts_with("req_"), "{}", header(response, "x-request-id"));
    }
    ensure!(header(&one, "x-request-id") != header(&other, "x-request-id"), "two requests have one id");
    Ok(())
}

#[tokio::test]
async fn an_unknown_page_is_a_problem_document() -> Result<()> {
    let response = send(Method::GET, "/nothing/here?x=1").await?;
    ensure!(response.status() == StatusCode::NOT_FOUND, "{}", response.status());
    ensure!(header(&response, "content-type") == "application/problem+json");
    let id = header(&response, "x-request-id").to_owned();
    let problem: Value = response.json().await?;
    ensure!(problem["type"] == "urn:frontdesk:problem:not_found", "{problem}");
    ensure!(problem["status"] == 404, "{problem}");
    ensure!(problem["instance"] == "/nothing/here", "{problem}");
    ensure!(problem["request_id"] == id.as_str(), "{problem}");
    Ok(())
}

#[tokio::test]
async fn a_method_that_is_not_there_names_those_that_are() -> Result<()> {
    let response = send(Method::DELETE, "/health/live").await?;
    ensure!(response.status() == StatusCode::METHOD_NOT_ALLOWED, "{}", response.status());
    ensure!(header(&response, "allow").contains("GET"), "{}", header(&response, "allow"));
    Ok(())
}

#[tokio::test]
async fn the_description_arrives_whole() -> Result<()> {
    let mut response = send(Method::GET, "/api/v1/openapi.json").await?;
    ensure!(response.status() == StatusCode::OK, "{}", response.status());
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await? {
        text.extend_from_slice(&piece);
    }
    let description: Value = serde_json::from_slice(&text)?;
    ensure!(
        description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{description}"
    );
    ensure!(description["paths"]["/health/live"]["get"].is_object(), "/health/live is not described");
    Ok(())
}

#[tokio::test]
async fn a_head_request_gets_headers_and_no_body() -> Result<()> {
    let response = send(Method::HEAD, "/health/live").await?;
    ensure!(response.status() == StatusCode::OK, "{}", response.status());
    ensure!(header(&response, "x-request-id").starts_with("req_"));
    ensure!(response.bytes().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn bytes_that_are_no_ascii_in_a_header_or_a_path_are_answered() -> Result<()> {
    let base = std::env::var("FRONTDESK_BASE_URL").context("FRONTDESK_BASE_URL says where the host is")?;
    let response = client()?
        .get(format!("{base}/health/%D0%B6%FF?q=%D0%B6"))
        .header(header::ORIGIN, header::HeaderValue::from_bytes(b"caf\xe9")?)
        .send()
        .await?;
    ensure!(response.status() == StatusCode::NOT_FOUND, "{}", response.status());
    Ok(())
}

#[tokio::test]
async fn requests_at_the_same_time_do_not_disturb_each_other() -> Result<()> {
    let all =
        futures_util::future::join_all((0..24).map(|_| send(Method::GET, "/api/v1/openapi.json"))).await;
    let mut ids = std::collections::BTreeSet::new();
    let mut bodies = std::collections::BTreeSet::new();
    for response in all {
        let response = response?;
        ensure!(response.status() == StatusCode::OK, "{}", response.status());
        ids.insert(header(&response, "x-request-id").to_owned());
        bodies.insert(response.text().await?);
    }
    ensure!(ids.len() == 24, "{} ids for 24 requests", ids.len());
    ensure!(bodies.len() == 1, "{} different bodies", bodies.len());
    Ok(())
}
