//! Conversations, and whose they are.

use std::time::Duration;

use anyhow::{Result, ensure};
use frontdesk_local::SystemClock;
use frontdesk_ports::Clock;
use frontdesk_tests::client::poll;
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::{Case, events, get, message, messages, patch, post};

#[tokio::test]
async fn a_conversation_is_its_visitors_alone() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, other) = (case.visitor("visitor").await?, case.visitor("another visitor").await?);
    let operator = case.operator().await?;

    case.title("Begins");
    let begun = case.send(post(&visitor, "/api/v1/conversations", &json!({})), 201).await?;
    let conversation = begun.text("/id")?;
    case.title("Nothing has happened in it");
    case.send(get(&visitor, &events(&conversation, "after=0")), 200).await?;
    case.title("Its operators see it");
    case.send(get(&operator, &events(&conversation, "after=0")), 200).await?;

    case.title("For others it is not there");
    case.send(get(&other, &events(&conversation, "after=0")), 404).await?;
    case.send(post(&other, &messages(&conversation), &message("a", "Hello")), 404).await?;
    let path = |call: &str| format!("/api/v1/conversations/{conversation}/{call}");
    case.send(post(&other, &path("read"), &json!({ "seq": 0 })), 404).await?;
    case.send(post(&other, &path("rating"), &json!({ "score": 5 })), 404).await?;

    case.title("Nor is one that never was");
    let unknown = "conv_01h455vb4pex5vsknk084sn02q";
    case.send(get(&visitor, &events(unknown, "after=0")), 404).await?;
    case.send(get(&operator, &events(unknown, "after=0")), 404).await?;
    let change =
        patch(&operator, &format!("/api/v1/conversations/{unknown}"), 0, &json!({ "mode": "closed" }));
    case.send(change, 404).await?;
    case.title("Or one with a name that is none");
    case.send(get(&visitor, &events("nonsense", "after=0")), 404).await?;

    case.title("A body that is not empty");
    case.send(post(&visitor, "/api/v1/conversations", &json!({ "mode": "ai" })), 422).await?;
    case.title("No body");
    case.send(visitor.request(Method::POST, "/api/v1/conversations"), 415).await?;
    case.end("conversations")
}

#[tokio::test]
async fn a_conversation_that_was_put_aside_comes_back_at_its_time() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, operator) = (case.visitor("visitor").await?, case.operator().await?);
    let conversation = visitor.begin().await?;
    let path = format!("/api/v1/conversations/{conversation}");
    let soon = SystemClock.now().after(Duration::from_secs(3));
    let put_aside = patch(&operator, &path, 1, &json!({ "snoozed_until": soon })).send().await?;
    let put_aside: Value = put_aside.error_for_status()?.json().await?;
    ensure!(put_aside["status"] == "snoozed", "{put_aside}");
    // Those whose time has come are taken up once a minute; on hosts without a timer, beside requests such as these.
    poll("its time to come", async || {
        let log = operator.log(&conversation).await?;
        let of_status = log.iter().rfind(|event| event["kind"] == "status.changed");
        Ok(of_status.is_some_and(|event| event["status"] == "open").then_some(()))
    })
    .await
}
