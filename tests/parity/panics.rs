//! The core dies at the edge, where a panic is an abort that takes the instance with it, and so does an overflow of the stack: what
//! was under way fails at once or is done again, and everything answers.

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::poll;
use frontdesk_tests::door::Door;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::case::{Case, get, message, messages, post};

/// Of what the core dies.
#[derive(Clone, Copy)]
enum Cause {
    Panic,
    Overflow,
}

impl Cause {
    async fn next(self, door: &Door, times: u32) -> Result<()> {
        match self {
            Self::Panic => door.panic_next(times).await,
            Self::Overflow => door.overflow_next(times).await,
        }
    }
}

/// The core dies in mid-request; then the host answers again. Work in the background may die first, and be the more what is
/// tested.
async fn die(case: &Case, door: &Door, cause: Cause) -> Result<()> {
    let live = || case.public(Method::GET, "/health/live").send();
    let dead = poll("a request to die", async || {
        cause.next(door, 1).await?;
        let answer = live().await?;
        Ok((answer.status() != StatusCode::OK).then_some(answer))
    });
    let dead = dead.await?;
    ensure!(dead.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", dead.status());
    ensure!(dead.headers().contains_key("retry-after"), "{:?}", dead.headers());
    ensure!(dead.text().await?.contains("urn:frontdesk:problem:unavailable"));
    cause.next(door, 0).await?;
    let status = live().await?.status();
    ensure!(status == StatusCode::OK, "{status}");
    Ok(())
}

#[tokio::test]
async fn an_answer_that_was_under_way_is_said_once() -> Result<()> {
    let mut case = Case::begin().await?;
    let Some(door) = case.host.door.as_deref().map(Door::at).transpose()? else { return Ok(()) };
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;
    case.script(&["hold=3"]).await?;
    let question = message("q", "How much is delivery across Moscow?");
    let mut stream = case.open(post(&visitor, &messages(&conversation), &question)).await?;
    stream.until_kind("turn.started").await?;
    case.model.until("the model to be asked", |counts| counts.requests > 0).await?;

    die(&case, &door, Cause::Panic).await?;
    // The stream is cut, not left open: the client comes back.
    ensure!(stream.read_to_end().await.is_err(), "the stream ended as if all had been said");
    case.model.release().await?;
    let again = post(&visitor, &messages(&conversation), &question).send().await?;
    ensure!(again.status() == StatusCode::ACCEPTED, "{}", again.text().await?);

    let log = case.answered(&visitor, &conversation, 1).await?;
    let seqs: Vec<u64> = log.iter().filter_map(|event| event["seq"].as_u64()).collect();
    ensure!(seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    let kinds = |kind: &str| log.iter().filter(|event| event["kind"] == kind).count();
    ensure!((kinds("message.created"), kinds("turn.finished")) == (2, 1), "{log:?}");
    ensure!(log.iter().any(|event| event["outcome"] == "answered"), "{log:?}");

    // It answers the next question, too, and the death is told.
    post(&visitor, &messages(&conversation), &message("q2", "And pick-up?"))
        .send()
        .await?
        .error_for_status()?;
    case.answered(&visitor, &conversation, 2).await?;
    Ok(())
}

#[tokio::test]
async fn a_document_that_was_being_read_is_read() -> Result<()> {
    let mut case = Case::begin().await?;
    let Some(door) = case.host.door.as_deref().map(Door::at).transpose()? else { return Ok(()) };
    let operator = case.operator().await?;
    let text = json!({ "title": "Lighthouse", "text": "# Lighthouse\n\nIt opens at nine. ".repeat(4_000) });
    let created =
        post(&operator, "/api/v1/documents", &text).send().await?.json::<serde_json::Value>().await?;
    let id = created["id"].as_str().context("an id")?.to_owned();
    die(&case, &door, Cause::Overflow).await?;
    let document = operator.document_read(&id).await?;
    ensure!(document["status"] == "ready", "{document}");
    operator.request(Method::DELETE, &format!("/api/v1/documents/{id}")).send().await?.error_for_status()?;
    Ok(())
}

#[tokio::test]
async fn what_dies_again_and_again_is_seen_in_health() -> Result<()> {
    let mut case = Case::begin().await?;
    let Some(door) = case.host.door.as_deref().map(Door::at).transpose()? else { return Ok(()) };
    let operator = case.operator().await?;
    for cause in [Cause::Overflow, Cause::Panic, Cause::Overflow] {
        die(&case, &door, cause).await?;
    }
    let health = poll("the deaths to be told", async || {
        let answer = get(&operator, "/health").send().await?.json::<serde_json::Value>().await?;
        Ok(answer.to_string().contains("instance").then_some(answer))
    });
    let health = health.await?;
    ensure!(health["status"] != "ok", "{health}");
    Ok(())
}
