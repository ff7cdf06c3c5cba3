//! Random cuts: pages, connections and servers that die in the middle of an answer. Nothing may be missing, doubled or
//! out of order.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use frontdesk_stand_ins::fake_ai::Behaviour;
use futures_util::future::ready;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::watch;

use crate::client::{Caller, Ready, Seen, events_within, poll, up};
use crate::model::Model;

const AT_ONCE: usize = 8;
/// About what an answer is on the wire, in bytes.
const LONGEST_PIECE: usize = 5_000;
const QUESTIONS: [&str; 4] = [
    "How much is delivery in Moscow?",
    "Сколько стоит доставка по Москве?",
    "How long is the kettle's warranty?",
    "Как вернуть товар?",
];

/// How much is cut.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// At least so many conversations.
    pub conversations: usize,
    /// At least so many connections.
    pub cuts: usize,
    /// Exactly so many servers, evenly over the cuts.
    pub restarts: usize,
}

/// Random numbers that are the same each time.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of this seed.
    #[must_use]
    pub const fn new(seed: usize) -> Self {
        Self(seed as u64 + 1)
    }

    /// The next one, from 0 to `bound - 1`.
    pub const fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Cuts as planned and checks every conversation. `restart` ends the host's server without warning and starts it on the
/// same data; it is called while answers are being written. `disturb` begins and ends whatever else may happen meanwhile.
/// Gives how many connections were cut.
///
/// # Errors
/// What was missing, doubled, out of order or different.
pub async fn run(
    host: &Ready,
    model: &Model,
    plan: Plan,
    mut restart: impl AsyncFnMut() -> Result<()>,
    disturb: impl AsyncFn(bool) -> Result<()>,
) -> Result<usize> {
    let long = Behaviour { tokens: Some(150), tokens_per_second: Some(300.0), ..Behaviour::default() };
    model.behave(&long).await?;

    // What an undisturbed run says.
    let mut expected = BTreeMap::new();
    let visitor = Caller::visitor(host).await?;
    for question in QUESTIONS {
        let seen = visitor.ask(&visitor.begin().await?, question).await?;
        ensure!(seen.outcome() == "answered", "{question}: {seen:?}");
        ensure!(seen.answer().len() > 300, "too short to be cut");
        expected.insert(question, seen.answer().to_owned());
    }

    disturb(true).await?;
    let cuts = watch::Sender::new(0_usize);
    let conversations = futures_util::stream::iter(0..)
        .take_while(|number| ready(*number < plan.conversations || *cuts.borrow() < plan.cuts))
        .map(|number| {
            let (cuts, expected) = (&cuts, &expected);
            async move {
                let conversation = converse(number, host, model, cuts, expected);
                conversation.await.with_context(|| format!("conversation {number}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>();

    // Meanwhile the server dies again and again.
    let killer = async {
        let mut counted = cuts.subscribe();
        for number in 1..=plan.restarts {
            counted.wait_for(|cuts| *cuts >= number * plan.cuts / (plan.restarts + 1)).await?;
            model.until("an answer to be interrupted", |counts| counts.in_flight > 0).await?;
            restart().await.with_context(|| format!("restart {number}"))?;
            disturb(true).await?;
        }
        Ok(())
    };
    let went = tokio::try_join!(killer, conversations);
    disturb(false).await?;
    went?;
    let cuts = *cuts.borrow();
    ensure!(cuts >= plan.cuts);
    Ok(cuts)
}

/// One conversation: one question, and a client that is cut off again and again until it has the whole answer.
async fn converse(
    number: usize,
    host: &Ready,
    model: &Model,
    cuts: &watch::Sender<usize>,
    expected: &BTreeMap<&str, String>,
) -> Result<()> {
    let mut dice = Dice::new(number);
    let question = *QUESTIONS.get(number % QUESTIONS.len()).context("a question")?;
    let visitor = again(async || Caller::visitor(host).await).await?;
    let conversation = again(async || visitor.begin().await).await?;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let body = json!({ "client_id": format!("cut-{number}"), "text": question });

    let mut seen = Seen::default();
    let mut posted = false;
    loop {
        // A page that was killed knows nothing any more; a connection that was cut goes on where it was.
        if dice.below(4) == 0 {
            seen = Seen::default();
        }
        seen.reconnected();
        // A message without an answer to it is sent again, under the same client_id: by its stream, or by the log's.
        let post = !posted || (seen.last_seq == 0 && dice.below(2) == 0);
        let response = again(async || {
            if post {
                return up(visitor.post(&messages, &body, "text/event-stream").await?);
            }
            let path = format!("/api/v1/conversations/{conversation}/events?after={}", seen.last_seq);
            up(visitor.get(&path, "text/event-stream").await?)
        })
        .await?;
        ensure!(response.status() == StatusCode::OK, "{}: {}", response.status(), response.text().await?);
        posted = true;
        let mut stream = events_within(response, 1 + dice.below(LONGEST_PIECE));
        let mut complete = false;
        while let Some(Ok(event)) = stream.next().await {
            complete = seen.take(&event)? || !seen.finished.is_empty();
            if complete {
                break;
            }
        }
        drop(stream);
        if complete {
            break;
        }
        cuts.send_modify(|cuts| *cuts += 1);
    }

    let expected = expected.get(question).context("an expectation")?;
    ensure!(seen.outcome() == "answered", "outcome {}", seen.outcome());
    let whole = seen.answer();
    // Where the search went without vectors for once, the model was given other passages: it has to be one of its answers.
    let is_whole = whole == expected || model.answers_to(question).await?.contains(whole);
    ensure!(is_whole, "the stored answer differs:\n{whole}\n{expected}");
    if let Some((_, shown)) = &seen.partial {
        ensure!(whole.starts_with(shown.as_str()), "what was shown differs from what was stored");
    }
    let log = again(async || visitor.log(&conversation).await).await?;
    let kinds: Vec<_> = log.iter().map(|event| event["kind"].as_str().unwrap_or("")).collect();
    ensure!(kinds == ["message.created", "turn.started", "message.created", "turn.finished"], "{kinds:?}");
    for (event, seq) in log.iter().zip(1_u64..) {
        ensure!(event["seq"] == seq, "{event} is number {seq}");
    }
    Ok(())
}

/// Tries again while the server is being started.
async fn again<T>(mut attempt: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    poll("an answer of the server", async || match attempt().await {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.downcast_ref::<reqwest::Error>().is_some() => Ok(None),
        Err(error) => Err(error),
    })
    .await
}
