//! A turn over two models, stopped where nothing is seen from outside: while thoughts stream, while a provider stalls, while
//! the smaller model takes over. An operator takes over there, and a client is cut off and comes back.

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::poll;
use serde_json::{Value, json};

use crate::case::{Case, events, get, message, messages, patch, post};

const QUESTION: &str = "How much is delivery in Moscow?";

/// Where a turn is stopped.
struct Stage {
    title: &'static str,
    /// How the models treat the question, one after the other; the last one is held.
    script: &'static [&'static str],
    /// Whether something of the answer is shown by then.
    shows: bool,
}

const STAGES: &[Stage] = &[
    Stage {
        title: "While the model thinks",
        script: &["hold=3,text=<think>Let me see what it costs.</think>Delivery in Moscow costs 300 ₽. [2]"],
        shows: false,
    },
    Stage {
        title: "While the provider stalls in mid-answer",
        script: &["hold=5,text=Delivery in Moscow costs 300 ₽. [2]"],
        shows: true,
    },
    Stage {
        title: "While the smaller model thinks, and what the model said before it broke off still stands",
        script: &["cut-after=5", "hold=3,text=<think>Let me see.</think>Delivery in Moscow costs 300 ₽. [2]"],
        shows: true,
    },
    Stage {
        title: "While the smaller model speaks",
        script: &["status=401", "hold=5,text=Delivery in Moscow costs 300 ₽. [2]"],
        shows: true,
    },
];

impl Stage {
    /// Waits until the last of the models has been asked and is held.
    async fn reached(&self, case: &Case) -> Result<()> {
        poll("the last model", async || {
            let requests = case.model.requests().await?;
            let chats = requests.iter().filter(|request| {
                request["path"].as_str().is_some_and(|path| path.ends_with("/chat/completions"))
            });
            Ok((chats.count() == self.script.len()).then_some(()))
        })
        .await?;
        case.model.until("the held answer", |counts| counts.in_flight == 1).await
    }
}

fn of_the_ai(event: &Value) -> bool {
    event["message"]["author"]["kind"] == "ai" || event["kind"] == "turn.delta"
}

#[tokio::test]
async fn a_take_over_is_the_last_of_the_ai_at_every_stage_of_a_turn() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, operator) = (case.visitor("visitor").await?, case.operator().await?);
    for stage in STAGES {
        case.model.reset().await?;
        case.script(stage.script).await?;
        case.title(stage.title);
        let conversation = visitor.begin().await?;
        let path = format!("/api/v1/conversations/{conversation}");
        case.send(post(&visitor, &messages(&conversation), &message("a", QUESTION)), 202).await?;
        let mut live = case.open(get(&visitor, &events(&conversation, "after=0"))).await?;
        let epoch = live.until_kind("turn.started").await?["epoch"].as_u64().context("an epoch")?;
        if stage.shows {
            live.until_kind("turn.delta").await?;
        }
        stage.reached(&case).await?;
        case.send(patch(&operator, &path, epoch, &json!({ "mode": "operator" })), 200).await?;
        case.model.release().await?;
        case.model.until("the models' end", |counts| counts.in_flight == 0).await?;
        case.send(post(&operator, &messages(&conversation), &message("o", "Vera here.")), 202).await?;
        live.until_kind("mode.changed").await?;
        live.until("the operator's word", |event| {
            assert!(!of_the_ai(event), "the AI spoke after the take-over: {event}");
            event["message"]["author"]["kind"] == "operator"
        })
        .await?;
        case.close(live)?;
        let log = case.send(get(&visitor, &events(&conversation, "after=0")), 200).await?;
        let stored = log.body["events"].as_array().context("events")?;
        ensure!(!stored.iter().any(of_the_ai), "a cancelled answer was stored: {}", log.body);
    }
    case.end("stages_taken_over")
}

#[tokio::test]
async fn a_client_that_was_cut_off_at_any_stage_of_a_turn_shows_what_is_stored() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    for stage in STAGES {
        case.model.reset().await?;
        case.script(stage.script).await?;
        case.title(stage.title);
        let conversation = visitor.begin().await?;
        let request = post(&visitor, &messages(&conversation), &message("a", QUESTION));
        let mut first = case.open(request).await?;
        first.until_kind("turn.started").await?;
        if stage.shows {
            first.until_kind("turn.delta").await?;
        }
        stage.reached(&case).await?;
        case.close(first)?;

        let mut second = case.open(get(&visitor, &events(&conversation, "after=1"))).await?;
        second.until_kind("turn.started").await?;
        if stage.shows {
            let so_far = second.until_kind("turn.delta").await?;
            ensure!(so_far["offset"] == 0, "the answer so far is missing: {so_far}");
        }
        case.model.release().await?;
        let answer = second.until("the answer", |event| event["message"]["author"]["kind"] == "ai").await?;
        let text = answer["message"]["text"].as_str().context("a text")?;
        ensure!(text.contains("300 ₽") && !text.contains("think"), "{text}");
        second.until_kind("turn.finished").await?;
        case.close(second)?;
    }
    case.end("stages_resumed")
}
