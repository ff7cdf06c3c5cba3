//! Whole turns: a question, its passages from the database, the model's answer streamed, both stored.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;

use super::Edge;
use super::load::median;
use super::process::Listening;
use crate::connection::{Connection, DEADLINE};
use crate::measures::{as_f64, percentile};
use crate::server;
use crate::turn::listen::{self, Heard};

/// What is asked; the demo documents answer it.
const QUESTION: &str = "How much is delivery in Moscow?";

/// One number of streams.
#[derive(Debug, Serialize)]
pub struct Turns {
    streams: usize,
    rows: Vec<Row>,
}

/// Medians over the rounds. Times in milliseconds.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    first_p50: f64,
    first_p99: f64,
    /// First text minus the first token of the same request to the model itself, in the same round.
    added_p50: f64,
    /// Processor time of workerd for one turn.
    processor_ms: f64,
    /// That of this one over that of the first: above 1 the first is cheaper.
    processor_ratio: f64,
}

struct Round {
    first_p50: f64,
    first_p99: f64,
    processor_ms: f64,
}

/// Measures turns, each round: the model itself, Frontdesk, plain.
pub async fn run(edge: &Edge, streams: usize, rounds: usize) -> Result<Turns> {
    // The first of each makes what is made once; the model keeps what Frontdesk asked it.
    round(&edge.plain, edge, 1, None).await?;
    round(&edge.frontdesk, edge, 1, None).await?;
    let request = edge.stage.model.last_request().context("the model was not asked")?;
    let names = ["Frontdesk", "plain", "model alone"];
    let mut results: [Vec<Round>; 3] = Default::default();
    for number in 0..rounds {
        for step in 0..results.len() {
            let at = number.wrapping_add(step).checked_rem(results.len()).unwrap_or_default();
            let measured = match at {
                0 => round(&edge.frontdesk, edge, streams, None).await?,
                1 => round(&edge.plain, edge, streams, None).await?,
                _ => round(&edge.frontdesk, edge, streams, Some(&request)).await?,
            };
            if let Some(results) = results.get_mut(at) {
                results.push(measured);
            }
        }
    }
    let [frontdesk, _, alone] = &results;
    let rows = names.into_iter().zip(&results).map(|(name, rounds)| {
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let beside = |others: &[Round], value: &dyn Fn(&Round, &Round) -> f64| {
            median(rounds.iter().zip(others).map(|(this, other)| value(this, other)).collect())
        };
        Row {
            name,
            first_p50: of(&|round| round.first_p50),
            first_p99: of(&|round| round.first_p99),
            added_p50: beside(alone, &|this, alone| this.first_p50 - alone.first_p50),
            processor_ms: of(&|round| round.processor_ms),
            processor_ratio: beside(frontdesk, &|this, first| this.processor_ms / first.processor_ms),
        }
    });
    Ok(Turns { streams, rows: rows.collect() })
}

/// `streams` turns at once on `server`, or with `direct` the same request to the model itself.
async fn round(server: &Listening, edge: &Edge, streams: usize, direct: Option<&Bytes>) -> Result<Round> {
    let mut preparing = server.connect().await?;
    let mut running = JoinSet::new();
    let mut asking = Vec::with_capacity(streams);
    for _ in 0..streams {
        if let Some(request) = direct {
            asking.push(Asking::Model(Connection::open(&edge.stage.model.base_url).await?, request.clone()));
        } else {
            let visitor = edge.stage.database.site.visitor(&mut preparing).await?;
            let conversation = server::conversation(&mut preparing, &visitor).await?;
            asking.push(Asking::Worker(server.connect().await?, visitor.token, conversation));
        }
    }
    let before = server.processor_time()?;
    for ask in asking {
        running.spawn_local(tokio::time::timeout(DEADLINE, ask.hear()));
    }
    let mut first = Vec::with_capacity(streams);
    while let Some(ended) = running.join_next().await {
        let heard = ended?.context("no end of an answer")??;
        ensure!(!heard.text.is_empty(), "an empty answer");
        first.push(heard.first());
    }
    // What is done after the answer is part of its price.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let spent = server.processor_time()?.saturating_sub(before);
    first.sort_by(f64::total_cmp);
    Ok(Round {
        first_p50: percentile(&first, 0.5),
        first_p99: percentile(&first, 0.99),
        processor_ms: if direct.is_some() {
            0.0
        } else {
            spent.as_secs_f64() * 1000.0 / as_f64(streams.max(1))
        },
    })
}

enum Asking {
    Model(Connection, Bytes),
    Worker(Connection, String, String),
}

impl Asking {
    async fn hear(self) -> Result<Heard> {
        match self {
            Self::Model(mut connection, request) => listen::model(&mut connection, &request).await,
            Self::Worker(mut connection, token, conversation) => {
                listen::turn(&mut connection, &token, &conversation, "1", QUESTION).await
            }
        }
    }
}

impl Turns {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "\nwhole turns, {} at once\n{:<12} {:>14} {:>14} {:>14} {:>9} {:>9}",
            self.streams, "", "first p50 ms", "first p99 ms", "added p50 ms", "CPU ms", "CPU"
        )];
        lines.extend(self.rows.iter().map(|row| {
            format!(
                "{:<12} {:>14.1} {:>14.1} {:>14.1} {:>9.2} {:>8.2}x",
                row.name, row.first_p50, row.first_p99, row.added_p50, row.processor_ms, row.processor_ratio
            )
        }));
        lines.join("\n")
    }
}
