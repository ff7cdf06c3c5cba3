//! Conversations, and whose they are.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

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
