//! Quotes: the sentences, list items and rows of a passage that say what is asked.

mod answer;
mod holds;
mod judge;
mod statement;
mod unit;

use std::ops::Range;

use unit::{Unit, UnitKind, units};

pub use answer::{MAX_OFFERED, Offered, quoted_answer, topics};
pub(crate) use holds::is_date;

use crate::text::{Coverage, QueryTerm, detect, query_terms, terms};

/// How much of a question a statement has to cover to be quoted as its answer, where nothing else was chosen (0 to 1).
pub const LEAST_COVERAGE: f64 = 0.55;

/// The longest quote, in characters.
pub const MAX_QUOTE_CHARS: usize = 400;

/// The part of a passage that is nearest to a statement: one sentence, item or row, or two that follow each other.
/// `None` for a passage without any.
#[must_use]
pub fn nearest(statement: &str, passage: &str) -> Option<Range<usize>> {
    let units: Vec<Unit> = units(passage).into_iter().filter(|unit| unit.kind != UnitKind::Heading).collect();
    let words = query_terms(statement, detect(statement));
    let coverage = weigh(words, units.iter().map(|unit| unit.text(passage)));
    let language = detect(passage);
    let score = |range: &Range<usize>| coverage.of(&[passage.get(range.clone()).unwrap_or("")], language);
    let mut best: Option<(f64, Range<usize>)> = None;
    for (at, unit) in units.iter().enumerate() {
        let alone = (score(&unit.range), unit.range.clone());
        let pair = units.get(at.saturating_add(1)).map(|next| unit.range.start..next.range.end);
        // Two sentences are better than one only when the second adds something.
        let pair = pair.map(|range| (score(&range) - 0.15, range));
        for (score, range) in [Some(alone), pair].into_iter().flatten() {
            if best.as_ref().is_none_or(|(other, _)| score > *other) {
                best = Some((score, range));
            }
        }
    }
    best.map(|(_, range)| bounded(passage, range))
}

/// The last statement of a text: what a reference behind it refers to.
#[must_use]
pub fn last_statement(text: &str) -> &str {
    units(text).last().map_or(text, |unit| unit.text(text))
}

/// The words of a text with weights: rare ones among the candidates tell more.
fn weigh<'a>(words: Vec<QueryTerm>, candidates: impl Iterator<Item = &'a str>) -> Coverage {
    let found: Vec<Vec<_>> =
        candidates.map(|text| terms(text, detect(text)).map(|(term, _)| term).collect()).collect();
    let weighted = words
        .into_iter()
        .map(|word| {
            let there = found.iter().filter(|terms| terms.iter().any(|term| word.matches(term))).count();
            let weight = (count(found.len().saturating_sub(there)) + 1.0) / (count(there) + 1.0);
            (word, weight.ln_1p())
        })
        .collect();
    Coverage::new(weighted)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// A range cut to [`MAX_QUOTE_CHARS`] at a word's end.
fn bounded(text: &str, range: Range<usize>) -> Range<usize> {
    let quote = text.get(range.clone()).unwrap_or("");
    let Some((limit, _)) = quote.char_indices().nth(MAX_QUOTE_CHARS) else { return range };
    let head = quote.get(..limit).unwrap_or("");
    let end = head.rfind(char::is_whitespace).filter(|end| *end > limit / 2).unwrap_or(limit);
    let length = head.get(..end).unwrap_or(head).trim_end().len();
    range.start..range.start.saturating_add(length)
}

#[cfg(test)]
mod tests;
