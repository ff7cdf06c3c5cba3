//! Sockets when the server stops.

use anyhow::{Result, ensure};
use frontdesk_stand_ins::fake_ai::{FakeAi, Options as AiOptions};
use frontdesk_tests::client::{Caller, Seen};
use frontdesk_tests::socket::Socket;
use serde_json::json;

use crate::program::{Options, Program};

#[tokio::test]
async fn an_orderly_stop_finishes_the_answer_and_sends_the_client_away() -> Result<()> {
    let ai = FakeAi::start(AiOptions {
        tokens: Some(150),
        tokens_per_second: Some(200.0),
        ..AiOptions::default()
    })
    .await?;
    let options = Options::default().var("OPENAI_BASE_URL", &ai.base_url).var("OPENAI_MODEL", "fake-chat");
    let mut program = Program::start(options).await?;
    let visitor = Caller::visitor(&program.ready).await?;
    let conversation = visitor.begin().await?;
    let (mut socket, _) = Socket::begin(&visitor, &conversation, 0).await?;
    // One that has not even said hello.
    let mut silent = Socket::open(&visitor, &conversation).await?;
    let question = "How much is delivery in Moscow?";
    socket.say(&json!({ "t": "send", "client_id": "q", "text": question })).await?;
    socket.until(|frame| frame["kind"] == "turn.delta").await?;
    let (ended, closed, silent) = tokio::join!(
        program.terminate(),
        async {
            socket.until(|frame| frame["kind"] == "turn.finished").await?;
            socket.closed().await
        },
        silent.closed()
    );
    ensure!(ended?, "it ended with an error");
    ensure!((closed?, silent?) == (1001, 1001));

    // Killed without a word while a socket is open, and back: the socket goes on where it was.
    program.start_again().await?;
    let (mut socket, welcome) = Socket::begin(&visitor, &conversation, 4).await?;
    ensure!(welcome["last_seq"] == 4, "{welcome}");
    socket.say(&json!({ "t": "send", "client_id": "r", "text": question })).await?;
    let mut seen = Seen::default();
    seen.last_seq = 4;
    for event in socket.until(|frame| frame["kind"] == "turn.delta").await? {
        if event["t"] == "event" {
            seen.take(&event)?;
        }
    }
    program.kill().await?;
    program.start_again().await?;
    seen.reconnected();
    let (mut socket, _) = Socket::begin(&visitor, &conversation, seen.last_seq).await?;
    for event in socket.until(|frame| frame["kind"] == "turn.finished").await? {
        seen.take(&event)?;
    }
    ensure!(seen.outcome() == "answered" && seen.last_seq == 8, "{seen:?}");
    Ok(())
}
