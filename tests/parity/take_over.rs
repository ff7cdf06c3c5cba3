//! An operator takes over: who may speak is told by the epoch.

use std::cell::Cell;

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::Behaviour;
use frontdesk_tests::client::{Caller, Ready, Seen, events as events_of};
use frontdesk_tests::cuts::Dice;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::case::{Case, events, get, host, message, messages, model, patch, post};

const QUESTION: &str = "How much is delivery in Moscow?";

#[tokio::test]
async fn an_operator_takes_over_and_gives_back() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, operator) = (case.visitor("visitor").await?, case.operator().await?);
    let conversation = visitor.begin().await?;
    let path = format!("/api/v1/conversations/{conversation}");
    let (take, give) = (json!({ "mode": "operator" }), json!({ "mode": "ai" }));

    case.script(&["hold=3"]).await?;
    case.title("The AI begins to answer");
    case.send(post(&visitor, &messages(&conversation), &message("a", QUESTION)), 202).await?;
    let mut live = case.open(get(&visitor, &events(&conversation, "after=0"))).await?;
    let epoch = live.until_kind("turn.started").await?["epoch"].as_u64().context("an epoch")?;
    live.until_kind("turn.delta").await?;

    case.title("Take-overs that are refused");
    case.send(patch(&operator, &path, epoch + 7, &take), 412).await?;
    case.send(operator.request(Method::PATCH, &path).json(&take), 422).await?;
    case.send(patch(&operator, &path, epoch, &json!({})), 422).await?;
    case.send(patch(&operator, &path, epoch, &json!({ "mode": "robot" })), 422).await?;
    case.send(patch(&visitor, &path, epoch, &take), 401).await?;

    case.title("The operator takes over in mid-answer");
    let taken = case.send(patch(&operator, &path, epoch, &take), 200).await?;
    ensure!(taken.body["epoch"] == epoch + 1 && taken.body["mode"] == "operator", "{}", taken.body);
    case.title("A colleague who has seen the old epoch comes too late");
    case.send(patch(&operator, &path, epoch, &take), 412).await?;
    case.title("The model goes on, unheard; the visitor and the operator talk");
    case.model.release().await?;
    case.model.until("the model's end", |counts| counts.in_flight == 0).await?;
    case.send(post(&visitor, &messages(&conversation), &message("b", "Is anybody there?")), 202).await?;
    case.send(post(&operator, &messages(&conversation), &message("o", "Vera here. It is 300 ₽.")), 202)
        .await?;
    let note = json!({ "client_id": "n", "text": "A regular customer.", "note": true });
    case.send(post(&operator, &messages(&conversation), &note), 202).await?;
    case.title("A visitor's message has no answer to wait for now");
    let mut alone = case.open(post(&visitor, &messages(&conversation), &message("c", "Thank you"))).await?;
    alone.read_to_end().await?;
    case.close(alone)?;

    case.title("Given back, and assigned to nobody");
    let given = patch(&operator, &path, epoch + 1, &json!({ "mode": "ai", "assignee": null }));
    case.send(given, 200).await?;
    case.title("The AI answers again");
    case.streamed(post(&visitor, &messages(&conversation), &message("d", QUESTION)), &["hold=0"]).await?;

    case.title("Closed");
    case.send(patch(&operator, &path, epoch + 2, &json!({ "mode": "closed" })), 200).await?;
    case.send(post(&visitor, &messages(&conversation), &message("e", "One more thing")), 409).await?;
    case.send(patch(&operator, &path, epoch + 2, &give), 412).await?;

    live.until("the end", |event| event["kind"] == "status.changed" && event["status"] == "closed").await?;
    case.title("What the visitor saw live, and the note that it did not");
    case.close(live)?;
    case.title("What the operator sees");
    case.send(get(&operator, &events(&conversation, "after=0")), 200).await?;
    case.end("take_over")
}

/// `FRONTDESK_TAKE_OVERS` says how many (100), `FRONTDESK_WORDS_PER_SECOND` how quickly the model speaks (200): where words
/// reach a listener late, it must not be done before they do.
#[tokio::test]
async fn no_word_of_the_ai_after_a_take_over_whenever_it_comes() -> Result<()> {
    const AT_ONCE: usize = 16;
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let pace = std::env::var("FRONTDESK_WORDS_PER_SECOND").ok().map_or(Ok(200.0), |pace| pace.parse())?;
    let long = Behaviour { tokens: Some(60), tokens_per_second: Some(pace), ..Behaviour::default() };
    model.behave(&long).await?;
    let count = std::env::var("FRONTDESK_TAKE_OVERS").ok().map_or(Ok(100), |count| count.parse())?;
    let operator = Caller::operator(&host).await?;
    let visitor = Caller::visitor(&host).await?;
    let whole = visitor.ask(&visitor.begin().await?, QUESTION).await?.answer().len();

    let interrupted = Cell::new(0_usize);
    let taken: Vec<Taken> = futures_util::stream::iter(0..count)
        .map(|number| {
            let (host, operator, interrupted) = (&host, &operator, &interrupted);
            async move {
                let taken = take_over(host, operator, Dice::new(number).below(whole), interrupted).await;
                taken.with_context(|| format!("conversation {number}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    println!("{count} take-overs, {} of them in mid-answer", interrupted.get());
    ensure!(interrupted.get() * 2 > count, "only {} of {count} came in mid-answer", interrupted.get());

    // Every model has written to its end, or was hung up on: what is stored now is all there ever will be.
    model.until("the models' end", |counts| counts.in_flight == 0).await?;
    for Taken { visitor, conversation, log } in taken {
        ensure!(visitor.log(&conversation).await? == log, "{conversation} went on");
    }
    Ok(())
}

/// A conversation that was taken over, and all that was stored of it.
struct Taken {
    visitor: Caller,
    conversation: String,
    log: Vec<Value>,
}

/// One conversation, which two operators take at once when so many bytes of the answer were shown.
async fn take_over(host: &Ready, operator: &Caller, at: usize, interrupted: &Cell<usize>) -> Result<Taken> {
    let visitor = Caller::visitor(host).await?;
    let conversation = visitor.begin().await?;
    let path = messages(&conversation);
    let posted = visitor.post(&path, &message("q", QUESTION), "application/json").await?;
    ensure!(posted.status() == StatusCode::ACCEPTED, "{}", posted.text().await?);
    let mut live = events_of(visitor.get(&events(&conversation, "after=0"), "text/event-stream").await?);
    let mut seen = Seen::default();
    let mut epoch = 0;
    while seen.last_seq < 2 || seen.partial.as_ref().map_or(0, |(_, shown)| shown.len()) < at {
        let event = live.next().await.context("the answer")??;
        seen.take(&event)?;
        epoch = event["epoch"].as_u64().unwrap_or(epoch);
        if event["kind"] == "turn.finished" {
            break;
        }
    }

    let change = format!("/api/v1/conversations/{conversation}");
    let take = || patch(operator, &change, epoch, &json!({ "mode": "operator" })).send();
    let (one, other) = tokio::try_join!(take(), take())?;
    let mut statuses = [one.status().as_u16(), other.status().as_u16()];
    statuses.sort_unstable();
    ensure!(statuses == [200, 412], "of two take-overs at once: {statuses:?}");
    let said = operator.post(&path, &message("o", "Vera here."), "application/json").await?;
    ensure!(said.status() == StatusCode::ACCEPTED, "{}", said.text().await?);

    let mut over = false;
    loop {
        let event = live.next().await.context("the operator's word")??;
        ensure!(!(over && event["kind"] == "turn.delta"), "the AI spoke after the take-over: {event}");
        seen.take(&event)?;
        over |= event["kind"] == "mode.changed";
        if event["message"]["author"]["kind"] == "operator" {
            break;
        }
    }
    ensure!(over, "nobody was told of the take-over");
    let log = visitor.log(&conversation).await?;
    let of_the_ai = |event: &Value| {
        event["message"]["author"]["kind"] == "ai"
            || event["kind"].as_str().is_some_and(|kind| kind.starts_with("turn."))
    };
    ensure!(!log.iter().any(|event| event["epoch"] != epoch && of_the_ai(event)), "{log:?}");
    if seen.outcome() == "cancelled" {
        ensure!(seen.answers.is_empty(), "a cancelled answer was stored: {log:?}");
        interrupted.set(interrupted.get() + 1);
    } else {
        ensure!(seen.outcome() == "answered" && seen.answers.len() == 1, "{log:?}");
    }
    Ok(Taken { visitor, conversation, log })
}
