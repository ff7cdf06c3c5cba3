//! What a host does while its database server hangs, where it has one: what is said is kept, the visitor is told how it
//! stands, and all goes on when the server does.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, http, poll};
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::timeout;

use crate::case::{host, model};

/// Longer than every deadline of a call to a database together.
const PATIENCE: Duration = Duration::from_secs(100);
const QUESTION: &str = "How much is delivery in Moscow?";

/// A process that does nothing until this is dropped.
struct Hanging(u32);

impl Hanging {
    fn new(process: u32) -> Result<Self> {
        signal("STOP", process)?;
        Ok(Self(process))
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = signal("CONT", self.0);
    }
}

fn signal(name: &str, process: u32) -> Result<()> {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status()?;
    ensure!(status.success(), "kill -{name} {process}: {status}");
    Ok(())
}

#[tokio::test]
async fn while_the_database_hangs_nothing_is_lost() -> Result<()> {
    let (host, model) = (host()?, model()?);
    let Some(database) = host.database_pid else { return Ok(()) };
    model.reset().await?;
    let visitor = Caller::visitor(&host).await?;
    let conversation = visitor.begin().await?;
    ensure!(visitor.ask(&conversation, QUESTION).await?.outcome() == "answered");

    let hanging = Hanging::new(database)?;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let message = json!({ "client_id": "hanging", "text": "How long is the kettle's warranty?" });
    let posted = timeout(PATIENCE, visitor.post(&path, &message, "application/json")).await??;
    let health = timeout(PATIENCE, http()?.get(format!("{}/health", host.base_url)).send()).await??;
    ensure!(health.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", health.status());
    let finished = async |count: usize| {
        poll("the answer's end", async || {
            let log = visitor.log(&conversation).await?;
            let ended = |event: &&serde_json::Value| event["kind"] == "turn.finished";
            Ok(log.iter().filter(ended).nth(count - 1).cloned())
        })
        .await
    };
    if host.door.is_some() {
        // The room is an object with a log of its own.
        ensure!(posted.status() == StatusCode::ACCEPTED, "{}", posted.text().await?);
        let end = timeout(PATIENCE, finished(2)).await.context("an end while the database hangs")??;
        ensure!(end["outcome"] != "answered", "{end}");
        drop(hanging);
    } else {
        // Who wrote is told to come again, and does.
        ensure!(posted.status() == StatusCode::SERVICE_UNAVAILABLE, "{}", posted.status());
        ensure!(posted.headers().contains_key("retry-after"), "{posted:?}");
        drop(hanging);
        let posted = visitor.post(&path, &message, "application/json").await?;
        ensure!(posted.status() == StatusCode::ACCEPTED, "{}", posted.text().await?);
        finished(2).await?;
    }
    let again = json!({ "client_id": "afterwards", "text": QUESTION });
    let posted = visitor.post(&path, &again, "application/json").await?;
    ensure!(posted.status() == StatusCode::ACCEPTED, "{}", posted.text().await?);
    let end = finished(3).await?;
    ensure!(end["outcome"] == "answered", "{end}");
    let log = visitor.log(&conversation).await?;
    for (event, seq) in log.iter().zip(1_u64..) {
        ensure!(event["seq"] == seq, "{event} is number {seq}");
    }
    for client_id in ["hanging", "afterwards"] {
        ensure!(log.iter().filter(|event| event["message"]["client_id"] == client_id).count() == 1);
    }
    Ok(())
}
