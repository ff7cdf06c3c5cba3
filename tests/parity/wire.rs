//! What the wire carries: bytes as clients of every kind send them, and as they arrive.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, Ready, http};
use reqwest::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, LOCATION};
use reqwest::{Client, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::case::{events, host};

const DEADLINE: Duration = Duration::from_secs(20);

/// Name and port of a host.
fn authority(host: &Ready) -> Result<String> {
    Ok(host.base_url.strip_prefix("http://").context("an address of loopback")?.to_owned())
}

/// A client that follows no redirect.
fn plain() -> Result<Client> {
    http()?;
    Ok(Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?)
}

/// Whether the platform in front of the host serves its files and writes its answers, not the host.
const fn is_behind_a_platform(host: &Ready) -> bool {
    host.door.is_some()
}

/// Sent apart, head and body of a short answer cost a delayed acknowledgement where the kernel waits for one.
#[tokio::test]
async fn short_answers_arrive_in_one_piece_with_their_head() -> Result<()> {
    let host = host()?;
    if is_behind_a_platform(&host) {
        return Ok(());
    }
    let authority = authority(&host)?;
    let request = format!("GET /health/live HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let mut connection = TcpStream::connect(&authority).await?;
    let mut apart = 0;
    for _ in 0..50 {
        connection.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let mut pieces = 0;
        while !is_whole(&answer) {
            let mut piece = [0; 4096];
            let length = timeout(DEADLINE, connection.read(&mut piece)).await??;
            ensure!(length > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&piece[..length]);
            pieces += 1;
        }
        apart += usize::from(pieces > 1);
    }
    // A host that sends them from two threads of its own may be too quick now and then.
    ensure!(apart <= 12, "{apart} of 50 answers came in pieces");
    Ok(())
}

/// Whether an answer with a length is there to its end.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}

#[tokio::test]
async fn the_demo_is_found_without_the_slash() -> Result<()> {
    let host = host()?;
    for path in ["/", "/demo"] {
        let response = plain()?.get(format!("{}{path}?lang=ru", host.base_url)).send().await?;
        ensure!(response.status().is_redirection(), "{path}: {}", response.status());
        let to = response.headers().get(LOCATION).context("where to")?.to_str()?;
        ensure!(to == "/demo/?lang=ru", "{path}: {to}");
    }
    Ok(())
}

#[tokio::test]
async fn files_answer_head_as_they_answer_get() -> Result<()> {
    let host = host()?;
    let client = plain()?;
    for path in ["/widget.js", "/demo/"] {
        let url = format!("{}{path}", host.base_url);
        let get = client.get(&url).header(ACCEPT_ENCODING, "identity").send().await?.error_for_status()?;
        let kind = get.headers().get("content-type").cloned();
        let length = get.bytes().await?.len();
        let head = client.head(&url).header(ACCEPT_ENCODING, "identity").send().await?.error_for_status()?;
        ensure!(head.headers().get("content-type") == kind.as_ref(), "{path}: {head:?}");
        let told =
            head.headers().get(CONTENT_LENGTH).map(|told| told.to_str().map(str::to_owned)).transpose()?;
        // A host may leave it out, but what it says is so.
        ensure!(told.as_ref().is_none_or(|told| *told == length.to_string()), "{path}: {told:?} of {length}");
        ensure!(head.bytes().await?.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn files_say_what_can_be_done_with_them() -> Result<()> {
    let host = host()?;
    if is_behind_a_platform(&host) {
        return Ok(());
    }
    let client = plain()?;
    for (method, status) in [
        (Method::OPTIONS, StatusCode::NO_CONTENT),
        (Method::POST, StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let response = client.request(method.clone(), format!("{}/widget.js", host.base_url)).send().await?;
        ensure!(response.status() == status, "{method}: {}", response.status());
        let allow = response.headers().get(ALLOW).context("Allow")?.to_str()?;
        ensure!(allow == "GET, HEAD, OPTIONS", "{method}: {allow}");
    }
    Ok(())
}

#[tokio::test]
async fn a_name_that_no_file_can_have_names_none() -> Result<()> {
    let host = host()?;
    let client = plain()?;
    let long = "a".repeat(256);
    for path in [
        format!("/{long}"),
        format!("/{long}.js"),
        format!("/demo/{long}/x.css"),
        format!("/{}", "a/".repeat(2100)),
    ] {
        let response = client.get(format!("{}{path}", host.base_url)).send().await?;
        ensure!(response.status() == StatusCode::NOT_FOUND, "{} bytes: {}", path.len(), response.status());
    }
    Ok(())
}

#[tokio::test]
async fn what_a_client_does_not_take_is_not_sent() -> Result<()> {
    let host = host()?;
    let client = plain()?;
    for (takes, never) in
        [("br;q=0, gzip", "br"), ("gzip;q=0, br", "gzip"), ("br; Q=0.000", "br"), ("gzip;q=0", "gzip")]
    {
        let request = client.get(format!("{}/widget.js", host.base_url)).header(ACCEPT_ENCODING, takes);
        let response = request.send().await?.error_for_status()?;
        let encoding = response.headers().get(CONTENT_ENCODING).map(|name| name.to_str()).transpose()?;
        ensure!(encoding != Some(never), "{takes}: {encoding:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_head_of_an_event_stream_ends_at_its_head() -> Result<()> {
    let host = host()?;
    let visitor = Caller::visitor(&host).await?;
    let path = events(&visitor.begin().await?, "after=0");
    let head = visitor.request(Method::HEAD, &path).header("accept", "text/event-stream").send();
    let head = timeout(DEADLINE, head).await??;
    ensure!(head.status() == StatusCode::OK, "{}", head.status());
    ensure!(timeout(DEADLINE, head.bytes()).await??.is_empty());
    Ok(())
}
