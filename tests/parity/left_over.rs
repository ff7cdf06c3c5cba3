//! What a worker that died has left is taken up by whoever comes, though it be a probe alone. Variables, with their defaults:
//!
//! | variable | what |
//! |---|---|
//! | `FRONTDESK_RESTART_CMD` | a shell command that kills the host's server, which is started again (none: nothing is tried) |
//! | `FRONTDESK_TRIES` | how often it is tried (1) |

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::{Behaviour, Endpoint};
use frontdesk_tests::client::{Caller, Ready, http, poll};
use frontdesk_tests::model::Model;
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use crate::case::{host, model};

/// How often a monitor asks.
const PROBED_EVERY: Duration = Duration::from_secs(15);
/// A lease, and a probe after it.
const WITHIN: Duration = Duration::from_secs(35);
const QUESTION: &str = "How much is delivery in Moscow?";

#[tokio::test]
async fn a_turn_and_a_job_are_taken_up_beside_probes() -> Result<()> {
    let Ok(kill) = std::env::var("FRONTDESK_RESTART_CMD") else { return Ok(()) };
    let tries = std::env::var("FRONTDESK_TRIES").map_or(Ok(1), |tries| tries.parse())?;
    let (host, model) = (host()?, model()?);
    for number in 1..=tries {
        let took = once(&host, &model, &kill, number).await;
        let took = took.with_context(|| format!("try {number} of {tries}"))?;
        println!("try {number}: taken up after {:.1} s", took.as_secs_f64());
    }
    Ok(())
}

/// One try; how long it took until both were taken up.
async fn once(host: &Ready, model: &Model, kill: &str, number: u32) -> Result<Duration> {
    model.reset().await?;
    let (visitor, operator) = (Caller::visitor(host).await?, Caller::operator(host).await?);
    let conversation = visitor.begin().await?;
    model.script(&[Behaviour { on: Endpoint::Chat, ..behaviour("hold=1")? }]).await?;
    let message = json!({ "client_id": "left", "text": QUESTION });
    let path = format!("/api/v1/conversations/{conversation}/messages");
    visitor.post(&path, &message, "application/json").await?.error_for_status()?;
    model.until("an answer to be under way", |counts| counts.in_flight > 0).await?;

    model.script(&[Behaviour { on: Endpoint::Embeddings, ..behaviour("slow-head=600000")? }]).await?;
    let text = format!("Parcel {number} of {conversation} was left at the lighthouse.");
    let body = json!({ "title": format!("Parcel {conversation}"), "text": text });
    let response = operator.post("/api/v1/documents", &body, "application/json").await?;
    let document: serde_json::Value = response.error_for_status()?.json().await?;
    let id = document["id"].as_str().context("a document's id")?.to_owned();
    asked(model, "the document's vectors", &text).await?;

    let status = Command::new("sh").args(["-c", kill]).status().await?;
    ensure!(status.success(), "{status}");
    let killed = Instant::now();
    model.reset().await?;
    let taken_up = async {
        tokio::try_join!(
            asked(model, "the turn to be taken up", QUESTION),
            asked(model, "the job to be taken up", &text)
        )
    };
    let took = tokio::select! {
        taken_up = taken_up => { taken_up?; killed.elapsed() }
        failed = probes(host) => return Err(failed),
    };
    ensure!(took <= WITHIN, "taken up after {took:?}");

    let read = operator.document_read(&id).await?;
    ensure!(read["status"] == "ready", "{read}");
    poll("the answer", async || {
        let log = visitor.log(&conversation).await?;
        Ok(log.iter().any(|event| event["kind"] == "turn.finished").then_some(()))
    })
    .await?;
    // Other cases search, too.
    operator.request(Method::DELETE, &format!("/api/v1/documents/{id}")).send().await?.error_for_status()?;
    Ok(took)
}

fn behaviour(text: &str) -> Result<Behaviour> {
    Behaviour::parse(text).map_err(anyhow::Error::msg)
}

/// Waits until the model is asked about something. This asks the host nothing, which would be a probe more.
async fn asked(model: &Model, what: &str, about: &str) -> Result<()> {
    poll(what, async || {
        let requests = model.requests().await?;
        let is_about = |request: &serde_json::Value| request["body"].to_string().contains(about);
        Ok(requests.iter().any(is_about).then_some(()))
    })
    .await
}

/// What a monitor does: nothing but this is asked of the host.
async fn probes(host: &Ready) -> anyhow::Error {
    let http = match http() {
        Ok(http) => http,
        Err(error) => return error,
    };
    let live = format!("{}/health/live", host.base_url);
    let mut every = tokio::time::interval(PROBED_EVERY);
    every.tick().await;
    loop {
        every.tick().await;
        // The server may not be there again yet.
        let _ = http.get(&live).send().await;
    }
}
