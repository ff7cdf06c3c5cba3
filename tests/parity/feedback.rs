//! What a visitor says about answers: read, rated, thumbs.

use anyhow::{Context, Result};
use serde_json::json;

use crate::case::{Case, events, get, post};

#[tokio::test]
async fn reading_and_rating_are_events() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, other) = (case.visitor("visitor").await?, case.visitor("another visitor").await?);
    let operator = case.operator().await?;
    let conversation = visitor.begin().await?;
    let answer = visitor.ask(&conversation, "How long is the kettle's warranty?").await?;
    let answer =
        answer.answers.first().and_then(|answer| answer["id"].as_str()).context("an answer")?.to_owned();
    let path = |call: &str| format!("/api/v1/conversations/{conversation}/{call}");
    let feedback = format!("/api/v1/messages/{answer}/feedback");

    case.title("Read, by both");
    case.send(post(&visitor, &path("read"), &json!({ "seq": 4 })), 204).await?;
    case.send(post(&operator, &path("read"), &json!({ "seq": 2 })), 204).await?;
    case.title("Read what there is not yet");
    case.send(post(&visitor, &path("read"), &json!({ "seq": 99 })), 422).await?;

    case.title("Rated");
    case.send(post(&visitor, &path("rating"), &json!({ "score": 5, "comment": "Спасибо!" })), 204).await?;
    case.title("Ratings that there are not");
    for body in [
        json!({ "score": 0 }),
        json!({ "score": 6 }),
        json!({ "score": 4.5 }),
        json!({}),
        json!({ "score": 5, "comment": "x".repeat(2001) }),
    ] {
        case.send(post(&visitor, &path("rating"), &body), 422).await?;
    }
    case.title("A user does not rate");
    case.send(post(&operator, &path("rating"), &json!({ "score": 5 })), 401).await?;

    case.title("Thumbs");
    case.send(post(&visitor, &feedback, &json!({ "rating": "up" })), 204).await?;
    case.send(post(&visitor, &feedback, &json!({ "rating": "down", "comment": "Which kettle?" })), 204)
        .await?;
    case.send(post(&visitor, &feedback, &json!({ "rating": "sideways" })), 422).await?;
    case.title("For a message that is no answer: its own");
    let question = visitor.log(&conversation).await?;
    let question =
        question.first().and_then(|event| event["message"]["id"].as_str()).context("a question")?;
    let own = format!("/api/v1/messages/{question}/feedback");
    case.send(post(&visitor, &own, &json!({ "rating": "up" })), 422).await?;
    case.title("For somebody else's answer");
    case.send(post(&other, &feedback, &json!({ "rating": "up" })), 404).await?;
    case.title("For an answer that there is not");
    let unknown = "/api/v1/messages/msg_01h455vb4pex5vsknk084sn02q/feedback";
    case.send(post(&visitor, unknown, &json!({ "rating": "up" })), 404).await?;

    case.title("What was stored");
    case.send(get(&operator, &events(&conversation, "after=4")), 200).await?;
    case.end("feedback")
}
