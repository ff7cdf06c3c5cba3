//! Figures of turns.

use serde::Serialize;

use super::listen::Heard;
use super::{Arrival, Measured};
use crate::measures::{as_f64, percentile};
use crate::process::Machine;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// On what.
    pub machine: Machine,
    /// One for each number of streams and arrival.
    pub rows: Vec<Row>,
}

/// The middle and the worst of a hundred.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Pair {
    p50: f64,
    p99: f64,
}

impl Pair {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { p50: percentile(&values, 0.5), p99: percentile(&values, 0.99) }
    }

    fn minus(self, other: Self) -> Self {
        Self { p50: self.p50 - other.p50, p99: self.p99 - other.p99 }
    }

    fn over(self, other: Self) -> Self {
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        Self { p50: ratio(self.p50, other.p50), p99: ratio(self.p99, other.p99) }
    }
}

/// Figures of one way. All times in milliseconds.
#[derive(Debug, Serialize)]
pub struct Timing {
    turns: usize,
    errors: usize,
    /// From the request to the first text.
    first: Pair,
    /// Between pieces of text.
    gaps: Pair,
}

/// One number of streams.
#[derive(Debug, Serialize)]
pub struct Row {
    streams: usize,
    arrival: Arrival,
    /// First text through Frontdesk minus first token directly, each percentile for itself.
    first_token_added_ms: Pair,
    /// The same, but minus the moment at which the direct stream had all the text of Frontdesk's first piece: Frontdesk
    /// shows whole words (its output guard has to see them), and the wait for the rest of the word is the model's pace.
    processing_added_ms: Pair,
    /// Gaps between Frontdesk's pieces over gaps between the same pieces of the direct stream.
    gap_ratio: Pair,
    direct: Timing,
    frontdesk: Timing,
    /// Processor time of the server for one turn.
    server_ms_per_turn: f64,
    /// Processors that client and stand-in kept busy while Frontdesk was measured (two threads).
    client_and_model_processors: f64,
    /// The first few, in words.
    errors: Vec<String>,
}

fn timing(measured: &Measured) -> Timing {
    let gaps = measured.heard.iter().flat_map(|heard| {
        heard.marks.windows(2).filter_map(|pair| match pair {
            [before, after] => Some(after.at - before.at),
            _ => None,
        })
    });
    Timing {
        turns: measured.heard.len(),
        errors: measured.errors.len(),
        first: Pair::of(measured.heard.iter().map(Heard::first).collect()),
        gaps: Pair::of(gaps.collect()),
    }
}

/// When the direct stream `heard` had each piece that Frontdesk makes of this answer.
fn as_pieces(heard: &Heard, alone: &[Heard]) -> Vec<f64> {
    let pieces = alone.get(heard.question).map(|alone| alone.marks.as_slice()).unwrap_or_default();
    pieces.iter().filter_map(|piece| heard.reached(piece.bytes)).collect()
}

/// Puts both ways beside each other; `alone` is one undisturbed turn for each question.
pub fn row(
    streams: usize,
    arrival: Arrival,
    alone: &[Heard],
    direct: &Measured,
    frontdesk: &Measured,
) -> Row {
    let pieces: Vec<Vec<f64>> = direct.heard.iter().map(|heard| as_pieces(heard, alone)).collect();
    let first_pieces = Pair::of(pieces.iter().filter_map(|times| times.first().copied()).collect());
    let gaps = pieces.iter().flat_map(|times| {
        times.windows(2).filter_map(|pair| match pair {
            [before, after] => Some(after - before),
            _ => None,
        })
    });
    let piece_gaps = Pair::of(gaps.collect());
    let (a, b) = (timing(direct), timing(frontdesk));
    let errors = direct.errors.iter().chain(&frontdesk.errors).take(5).cloned().collect();
    Row {
        streams,
        arrival,
        first_token_added_ms: b.first.minus(a.first),
        processing_added_ms: b.first.minus(first_pieces),
        gap_ratio: b.gaps.over(piece_gaps),
        server_ms_per_turn: frontdesk.server_time.as_secs_f64() * 1000.0 / as_f64(b.turns.max(1)),
        client_and_model_processors: frontdesk.own_time.as_secs_f64()
            / frontdesk.took.as_secs_f64().max(0.001),
        direct: a,
        frontdesk: b,
        errors,
    }
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![
            format!(
                "turns through Frontdesk beside the same requests to the model itself; {} processors for all, load {} before",
                self.machine.processors, self.machine.load_before
            ),
            "model: first token after 200 ms, 60 tokens, 50 per second; times in ms, p50 / p99".to_owned(),
            format!(
                "{:>7} {:<8} {:>6} {:>15} {:>15} {:>13} {:>17} {:>17} {:>15} {:>9} {:>6}",
                "streams",
                "arrival",
                "turns",
                "first added",
                "own work",
                "gap ratio",
                "direct first",
                "Frontdesk first",
                "Frontdesk gaps",
                "CPU/turn",
                "errors"
            ),
        ];
        for row in &self.rows {
            let pair =
                |pair: &Pair, places: usize| format!("{:.*} / {:.*}", places, pair.p50, places, pair.p99);
            lines.push(format!(
                "{:>7} {:<8} {:>6} {:>15} {:>15} {:>13} {:>17} {:>17} {:>15} {:>9.2} {:>6}",
                row.streams,
                format!("{:?}", row.arrival).to_lowercase(),
                row.frontdesk.turns,
                pair(&row.first_token_added_ms, 1),
                pair(&row.processing_added_ms, 1),
                pair(&row.gap_ratio, 2),
                pair(&row.direct.first, 1),
                pair(&row.frontdesk.first, 1),
                pair(&row.frontdesk.gaps, 1),
                row.server_ms_per_turn,
                row.direct.errors.saturating_add(row.frontdesk.errors)
            ));
            lines.extend(row.errors.iter().map(|error| format!("        {error}")));
        }
        lines.push(
            "first added: first text minus the model's first token. own work: minus the moment the model had said the whole \
             first word."
                .to_owned(),
        );
        lines.join("\n")
    }
}
