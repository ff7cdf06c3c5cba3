//! A visitor asks and is answered.

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::{Behaviour, FakeAi, Options as AiOptions};
use frontdesk_tests::client::Caller;

use crate::program::{Options, Program};

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
