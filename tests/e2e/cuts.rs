//! A thousand random cuts: pages, connections and servers that die in the middle of an answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use frontdesk_stand_ins::fake_ai::{FakeAi, Options as AiOptions};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::{Mutex, RwLock, watch};

use crate::client::{Transcript, Visitor, events};
use crate::program::{Options, Program};

const CONVERSATIONS: usize = 128;
const CUTS: usize = 1_100;
const KILLS: usize = 25;
const AT_ONCE: u64 = 8;
const QUESTIONS: [&str; 4] = [
    "How much is delivery in Moscow?",
    "Сколько стоит доставка по Москве?",
    "How long is the kettle's warranty?",
    "Как вернуть товар?",
];

/// Numbers that repeat.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
async fn a_thousand_random_cuts_lose_and_double_nothing() -> Result<()> {
    let ai = FakeAi::start(AiOptions {
        tokens: Some(150),
        tokens_per_second: Some(300.0),
        ..AiOptions::default()
    })
    .await?;
    let options = Options::default()
        .flag("--no-limits")
        .var("OPENAI_BASE_URL", &ai.base_url)
        .var("OPENAI_MODEL", "fake-chat");
    let program = Program::start(options).await?;

    // What an undisturbed run says.
    let mut expected = BTreeMap::new();
    let visitor = Visitor::new(&program.ready).await?;
    for question in QUESTIONS {
        let transcript = visitor.ask(&visitor.begin().await?, question).await?;
        ensure!(transcript.outcome() == "answered", "{question}: {transcript:?}");
        ensure!(transcript.answer().len() > 300, "too short to be cut");
        expected.insert(question, transcript.answer().to_owned());
    }
    let expected = Arc::new(expected);

    let cuts = watch::Sender::new(0_usize);
    let program = Arc::new(RwLock::new(program));
    let next = Arc::new(Mutex::new(0_usize));
    let workers = (0..AT_ONCE).map(|_| {
        let (program, cuts, next, expected) =
            (Arc::clone(&program), cuts.clone(), Arc::clone(&next), Arc::clone(&expected));
        tokio::spawn(async move {
            loop {
                let number = {
                    let mut next = next.lock().await;
                    let number = *next;
                    *next += 1;
                    number
                };
                if number >= CONVERSATIONS && *cuts.borrow() >= CUTS {
                    return Ok::<_, anyhow::Error>(());
                }
                converse(number, &program, &cuts, &expected)
                    .await
                    .with_context(|| format!("conversation {number}"))?;
            }
        })
    });
    let workers: Vec<_> = workers.collect();

    // Meanwhile the server dies again and again, always while answers are being written.
    let killer = async {
        let mut counted = cuts.subscribe();
        for kill in 1..=KILLS {
            counted.wait_for(|cuts| *cuts >= kill * CUTS / (KILLS + 1)).await?;
            ai.until(|counts| counts.in_flight > 0).await;
            let mut program = program.write().await;
            program.kill().await?;
            program.start_again().await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    let all = async {
        for worker in futures_util::future::join_all(workers).await {
            worker??;
        }
        Ok(())
    };
    tokio::try_join!(killer, all)?;
    let cuts = *cuts.borrow();
    println!("{cuts} cut connections and {KILLS} killed servers");
    ensure!(cuts >= 1_000);
    Ok(())
}

/// One conversation: one question, and a client that is cut off again and again until it has the whole answer.
async fn converse(
    number: usize,
    program: &RwLock<Program>,
    cuts: &watch::Sender<usize>,
    expected: &BTreeMap<&str, String>,
) -> Result<()> {
    let mut dice = Dice(number as u64 + 1);
    let question = QUESTIONS[number % QUESTIONS.len()];
    let ready = program.read().await.ready.clone();
    let visitor = again(|| Visitor::new(&ready)).await?;
    let conversation = again(|| visitor.begin()).await?;
    let messages = format!("/api/v1/conversations/{conversation}/messages");
    let body = json!({ "client_id": format!("cut-{number}"), "text": question });

    let mut seen = Transcript::default();
    let mut posted = false;
    loop {
        // A page that was killed knows nothing any more; a connection that was cut goes on where it was.
        if dice.below(4) == 0 {
            seen = Transcript::default();
        }
        seen.reconnected();
        // A message without an answer to it is sent again, under the same client_id: by its stream, or by the log's.
        let response = if !posted || (seen.last_seq == 0 && dice.below(2) == 0) {
            visitor.post(&messages, &body, "text/event-stream").await
        } else {
            let path = format!("/api/v1/conversations/{conversation}/events?after={}", seen.last_seq);
            visitor.get(&path, "text/event-stream").await
        };
        // The server is being started.
        let Ok(response) = response else {
            tokio::task::yield_now().await;
            continue;
        };
        ensure!(response.status() == 200, "{}: {}", response.status(), response.text().await?);
        posted = true;
        let mut frames_left = 1 + dice.below(60);
        let mut stream = events(response);
        let complete = loop {
            match stream.next().await {
                Some(Ok(event)) => {
                    if seen.take(&event)? || !seen.finished.is_empty() {
                        break true;
                    }
                    frames_left -= 1;
                    if frames_left == 0 {
                        break false;
                    }
                }
                Some(Err(_)) | None => break false,
            }
        };
        drop(stream);
        if complete {
            break;
        }
        cuts.send_modify(|cuts| *cuts += 1);
    }

    let expected = expected.get(question).context("an expectation")?;
    ensure!(seen.outcome() == "answered", "outcome {}", seen.outcome());
    ensure!(seen.answer() == expected, "the stored answer differs:\n{}\n{expected}", seen.answer());
    if let Some((_, shown)) = &seen.partial {
        ensure!(expected.starts_with(shown.as_str()), "what was shown differs from what was stored");
    }
    let log = again(|| visitor.log(&conversation)).await?;
    let kinds: Vec<_> = log.iter().map(|event| event["kind"].as_str().unwrap_or("")).collect();
    ensure!(kinds == ["message.created", "turn.started", "message.created", "turn.finished"], "{kinds:?}");
    for (index, event) in log.iter().enumerate() {
        ensure!(event["seq"].as_u64() == Some(index as u64 + 1));
    }
    Ok(())
}

/// Tries again while the server is being started.
async fn again<T, F: Future<Output = Result<T>>>(mut attempt: impl FnMut() -> F) -> Result<T> {
    for _ in 0..100_000 {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) if error.downcast_ref::<reqwest::Error>().is_some() => tokio::task::yield_now().await,
            Err(error) => return Err(error),
        }
    }
    bail!("the server never answered");
}
