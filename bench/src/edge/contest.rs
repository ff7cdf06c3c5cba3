//! The same load on several Workers in turns.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::load::{self, Client, Round, median};
use super::process::Listening;
use crate::measures::percentile;

/// One that takes part; the first is compared with the others.
pub struct Entrant<'a> {
    name: &'static str,
    server: &'a Listening,
    clients: Vec<Client>,
}

impl<'a> Entrant<'a> {
    /// `clients` send to `server`.
    pub fn new(name: &'static str, server: &'a Listening, clients: Vec<Client>) -> Self {
        Self { name, server, clients }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Contest {
    what: &'static str,
    connections: usize,
    rows: Vec<Row>,
}

/// Medians over the rounds.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    processor_ms: f64,
    /// Requests per second of the first over those of this one.
    rate_ratio: f64,
    /// Processor time of this one for a request over that of the first: above 1 the first is cheaper.
    processor_ratio: f64,
}

/// Runs it.
pub async fn run(
    what: &'static str,
    mut entrants: Vec<Entrant<'_>>,
    rounds: usize,
    duration: Duration,
) -> Result<Contest> {
    let connections = entrants.first().map_or(0, |entrant| entrant.clients.len());
    let mut results: Vec<Vec<Round>> = entrants.iter().map(|_| Vec::new()).collect();
    for number in 0..rounds {
        for step in 0..entrants.len() {
            // Who begins changes, so that nobody always follows the same one.
            let at = number.wrapping_add(step).checked_rem(entrants.len()).unwrap_or_default();
            if let (Some(entrant), Some(results)) = (entrants.get_mut(at), results.get_mut(at)) {
                results.push(load::round(entrant.server, &mut entrant.clients, duration).await?);
            }
        }
    }
    let first = results.first().map(Vec::as_slice).unwrap_or_default();
    let rows = entrants.iter().zip(&results).map(|(entrant, rounds)| {
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let beside = |value: &dyn Fn(&Round, &Round) -> f64| {
            median(first.iter().zip(rounds).map(|(first, this)| value(first, this)).collect())
        };
        Row {
            name: entrant.name,
            per_second: of(&|round| round.rate),
            p50_ms: of(&|round| percentile(&round.times, 0.5)),
            p99_ms: of(&|round| percentile(&round.times, 0.99)),
            processor_ms: of(&|round| round.processor_ms),
            rate_ratio: beside(&|first, this| first.rate / this.rate),
            processor_ratio: beside(&|first, this| this.processor_ms / first.processor_ms),
        }
    });
    let contest = Contest { what, connections, rows: rows.collect() };
    Ok(contest)
}

impl Contest {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "\n{}, {} connections\n{:<12} {:>9} {:>9} {:>9} {:>9} {:>10} {:>12}",
            self.what, self.connections, "", "per s", "p50 ms", "p99 ms", "CPU ms", "rate", "CPU"
        )];
        lines.extend(self.rows.iter().map(|row| {
            format!(
                "{:<12} {:>9.0} {:>9.2} {:>9.2} {:>9.3} {:>9.2}x {:>11.2}x",
                row.name,
                row.per_second,
                row.p50_ms,
                row.p99_ms,
                row.processor_ms,
                row.rate_ratio,
                row.processor_ratio
            )
        }));
        lines.join("\n")
    }
}
