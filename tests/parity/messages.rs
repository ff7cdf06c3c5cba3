//! Messages and their answers.

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::Behaviour;
use frontdesk_tests::client::{Seen, events as events_of};
use futures_util::StreamExt;
use serde_json::json;

use crate::case::{Case, events, get, message, messages, post};

const QUESTION: &str = "How much is delivery in Moscow?";

#[tokio::test]
async fn an_answer_is_streamed_with_its_citations() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    for (title, question) in
        [("In English", QUESTION), ("In Russian", "За сколько дней можно вернуть товар?")]
    {
        case.title(title);
        let path = messages(&visitor.begin().await?);
        case.streamed(post(&visitor, &path, &message("a", question)), &["hold=0"]).await?;
    }
    case.end("answers")
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_stored_once() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;
    let path = messages(&conversation);

    case.title("A message");
    let first = case.send(post(&visitor, &path, &message("one", QUESTION)), 202).await?;
    ensure!(first.body["deduplicated"] == false);
    case.answered(&visitor, &conversation, 1).await?;
    case.title("The same again");
    let again = case.send(post(&visitor, &path, &message("one", QUESTION)), 202).await?;
    ensure!(again.body["deduplicated"] == true && again.body["message"] == first.body["message"]);
    case.title("The same again, as a stream: the answer that was given");
    let mut replay = case.open(post(&visitor, &path, &message("one", QUESTION))).await?;
    replay.read_to_end().await?;
    case.close(replay)?;
    case.title("Another text under its name");
    case.send(post(&visitor, &path, &message("one", "Something else")), 422).await?;
    case.title("Everything that was stored");
    let log = case.send(get(&visitor, &events(&conversation, "after=0")), 200).await?;
    ensure!(log.body["last_seq"] == 4);
    case.end("messages_sent_again")
}

#[tokio::test]
async fn what_is_stored_during_an_answer_leaves_no_gap_in_it() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let slow = Behaviour { tokens: Some(100), tokens_per_second: Some(200.0), ..Behaviour::default() };
    case.model.behave(&slow).await?;
    let conversation = visitor.begin().await?;
    let request = post(&visitor, &messages(&conversation), &message("a", QUESTION));
    let mut live = events_of(request.header("accept", "text/event-stream").send().await?);
    let (mut seen, mut ratings) = (Seen::default(), Vec::new());
    loop {
        let event = live.next().await.context("the answer's end")??;
        if event["kind"] == "turn.delta" {
            // Stored while the next pieces come.
            let path = format!("/api/v1/conversations/{conversation}/rating");
            ratings.push(tokio::spawn(post(&visitor, &path, &json!({ "score": 5 })).send()));
        }
        if seen.take(&event)? {
            break;
        }
    }
    for rating in ratings {
        rating.await??.error_for_status()?;
    }
    ensure!(seen.partial.as_ref().is_some_and(|(_, shown)| shown == seen.answer()), "{seen:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_asked_during_an_answer_is_answered_next() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;
    let path = messages(&conversation);

    case.script(&["hold=2", "hold=0"]).await?;
    case.title("A message, and the conversation live");
    case.send(post(&visitor, &path, &message("one", QUESTION)), 202).await?;
    let mut live = case.open(get(&visitor, &events(&conversation, "after=0"))).await?;
    live.until_kind("turn.delta").await?;
    case.title("Two more while the answer is being written");
    case.send(post(&visitor, &path, &message("two", "When are you open?")), 202).await?;
    case.send(post(&visitor, &path, &message("three", "Is there a place to park a car?")), 202).await?;
    case.model.release().await?;
    live.until_kind("turn.finished").await?;
    live.until_kind("turn.started").await?;
    case.model.release().await?;
    live.until_kind("turn.finished").await?;
    case.title("What came live");
    case.close(live)?;
    case.end("messages_during_an_answer")
}
