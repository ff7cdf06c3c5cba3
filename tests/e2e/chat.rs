//! A visitor asks and is answered.

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::{Behaviour, FakeAi, Options as AiOptions};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::program::{Options, Program};
use frontdesk_tests::client::{Caller, Seen, events};

#[tokio::test]
async fn without_a_model_answers_are_quoted_from_the_documents_with_citations() -> Result<()> {
    let program = Program::start(Options::default()).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    for (question, part) in
        [("How much is delivery in Moscow?", "300"), ("За сколько дней можно вернуть товар?", "14")]
    {
        let transcript = visitor.ask(&visitor.begin().await?, question).await?;
        ensure!(transcript.outcome() == "quoted", "{question}: {transcript:?}");
        ensure!(transcript.answer().contains(part), "{question}: {}", transcript.answer());
        let citation = &transcript.answers[0]["citations"][0];
        let quote = citation["quote"].as_str().context("a quote")?;
        ensure!(!quote.is_empty() && transcript.answer().contains("[1]"), "{citation}");
    }
    let transcript = visitor.ask(&visitor.begin().await?, "Who is the president of France?").await?;
    ensure!(transcript.outcome() == "no_answer", "{transcript:?}");
    Ok(())
}

#[tokio::test]
async fn a_model_streams_and_a_broken_one_steps_down() -> Result<()> {
    let ai = FakeAi::start(AiOptions::default()).await?;
    let options = Options::default()
        .flag("--no-limits")
        .var("OPENAI_BASE_URL", &ai.base_url)
        .var("OPENAI_MODEL", "fake-chat")
        .var("OPENAI_FALLBACK_MODEL", "fake-chat-small");
    let program = Program::start(options).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let question = "How much is delivery in Moscow?";

    let whole = visitor.ask(&visitor.begin().await?, question).await?;
    ensure!(whole.outcome() == "answered", "{whole:?}");
    ensure!(
        whole.partial.as_ref().is_some_and(|(_, shown)| shown == whole.answer()),
        "deltas are not the text"
    );
    let citation = &whole.answers[0]["citations"][0];
    ensure!(whole.answer().contains(&format!("[{}]", citation["n"])), "{citation}");
    ensure!(citation["quote"].as_str().is_some_and(|quote| quote.contains("Moscow")), "{citation}");

    // The first model breaks in mid-answer: what it said is withdrawn, the smaller one answers.
    ai.script([Behaviour { cut_after: Some(5), ..Behaviour::default() }]);
    let stepped = visitor.ask(&visitor.begin().await?, question).await?;
    ensure!(stepped.outcome() == "answered" && stepped.replaced == 1, "{stepped:?}");
    ensure!(stepped.finished[0]["usage"]["model"] == "fake-chat-small", "{stepped:?}");
    ensure!(stepped.partial.as_ref().is_some_and(|(_, shown)| shown == stepped.answer()));

    // No model at all: quoted.
    ai.script((0..12).map(|_| Behaviour { status: Some(401), ..Behaviour::default() }));
    let quoted = visitor.ask(&visitor.begin().await?, question).await?;
    ensure!(quoted.outcome() == "quoted", "{quoted:?}");
    Ok(())
}

#[tokio::test]
async fn the_same_message_twice_is_one_message() -> Result<()> {
    let program = Program::start(Options::default()).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let body = json!({ "client_id": "one", "text": "When are you open?" });
    let first = visitor.post(&path, &body, "application/json").await?;
    ensure!(first.status() == StatusCode::ACCEPTED);
    let first: Value = first.json().await?;
    let second: Value = visitor.post(&path, &body, "application/json").await?.json().await?;
    ensure!(first["deduplicated"] == false && second["deduplicated"] == true, "{first} {second}");
    ensure!(first["message"] == second["message"]);

    let other = json!({ "client_id": "one", "text": "Something else" });
    let response = visitor.post(&path, &other, "application/json").await?;
    ensure!(response.status() == StatusCode::UNPROCESSABLE_ENTITY);
    let problem: Value = response.json().await?;
    ensure!(problem["errors"][0]["pointer"] == "/client_id", "{problem}");

    // Once more, as a stream: the answer that was given, and its end.
    let mut stream = events(visitor.post(&path, &body, "text/event-stream").await?);
    let mut transcript = Seen::default();
    while let Some(event) = stream.next().await {
        if transcript.take(&event?)? {
            break;
        }
    }
    ensure!(transcript.finished.len() == 1, "{transcript:?}");
    Ok(())
}

#[tokio::test]
async fn no_word_of_the_ai_after_an_operator_took_over() -> Result<()> {
    let ai = FakeAi::start(AiOptions {
        tokens: Some(400),
        tokens_per_second: Some(200.0),
        ..AiOptions::default()
    })
    .await?;
    let options = Options::default()
        .var("OPENAI_BASE_URL", &ai.base_url)
        .var("OPENAI_MODEL", "fake-chat")
        .flag("--no-limits");
    let program = Program::start(options).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    let body = json!({ "client_id": "q", "text": "How much is delivery in Moscow?" });
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let posted = visitor.post(&path, &body, "application/json").await?;
    ensure!(posted.status() == StatusCode::ACCEPTED);
    let live = format!("/api/v1/conversations/{conversation}/events?after=0");
    let mut stream = events(visitor.get(&live, "text/event-stream").await?);
    let mut epoch = 0;
    // Until the answer has begun.
    while let Some(event) = stream.next().await {
        let event = event?;
        epoch = event["epoch"].as_u64().unwrap_or(epoch);
        if event["kind"] == "turn.delta" {
            break;
        }
    }
    let operator = Caller::operator(&program.ready).await?;
    let change = || {
        let path = format!("/api/v1/conversations/{conversation}");
        operator.request(Method::PATCH, &path).header("if-match", format!("\"{epoch}\""))
    };
    let taken = change().json(&json!({ "mode": "operator" })).send().await?;
    ensure!(taken.status() == StatusCode::OK, "{}", taken.text().await?);
    let stale = change().json(&json!({ "mode": "ai" })).send().await?;
    ensure!(stale.status() == StatusCode::PRECONDITION_FAILED, "{}", stale.text().await?);

    let mut fenced = false;
    while let Some(event) = stream.next().await {
        let event = event?;
        ensure!(!(fenced && event["kind"] == "turn.delta"), "the AI spoke after the take-over");
        fenced |= event["kind"] == "mode.changed";
        // The operator's word comes last; the model, still writing, had every chance to be heard before it.
        if fenced && event["message"]["author"]["kind"] == "operator" {
            break;
        }
        if event["kind"] == "mode.changed" {
            let body = json!({ "client_id": "o", "text": "Vera here." });
            let said = operator.post(&path, &body, "application/json").await?;
            ensure!(said.status() == StatusCode::ACCEPTED, "{}", said.text().await?);
        }
    }
    ensure!(fenced);
    let log = visitor.log(&conversation).await?;
    ensure!(log.iter().all(|event| event["message"]["author"]["kind"] != "ai"), "{log:?}");
    ensure!(log.iter().any(|event| event["outcome"] == "cancelled"), "{log:?}");
    Ok(())
}
