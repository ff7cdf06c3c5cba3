//! Quotes: the sentences, list items and rows of a passage that say what is asked.

mod unit;

use std::ops::Range;

use unit::{Unit, UnitKind, units};

use crate::answer::Citation;
use crate::citation::Source;
use crate::text::{Coverage, QueryTerm, detect, query_terms, terms};

/// The longest quote, in characters.
pub const MAX_QUOTE_CHARS: usize = 400;

/// How many sentences, items or rows a quoted answer takes from one passage.
const MAX_UNITS: usize = 3;

/// What a second passage must add of the question (0 to 1) to be quoted too.
const WORTH_ADDING: f64 = 0.3;

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

/// The best sentences of the best passages, word for word, as an answer of their own: for when there is no model.
/// Passages are offered best first. `None` when there is nothing to quote.
#[must_use]
pub fn quoted_answer(question: &str, sources: &[Source<'_>]) -> Option<(String, Vec<Citation>)> {
    let words = query_terms(question, detect(question));
    let asked = words.clone();
    let all: Vec<(usize, Vec<Unit>)> =
        sources.iter().take(2).map(|source| units(source.text)).enumerate().collect();
    let texts = all.iter().flat_map(|(at, units)| {
        let text = sources.get(*at).map_or("", |source| source.text);
        units.iter().map(move |unit| unit.text(text))
    });
    let coverage = weigh(words, texts);
    let mut picked: Vec<(f64, &Source<'_>, Range<usize>)> = all
        .iter()
        .filter_map(|(at, units)| {
            let source = sources.get(*at)?;
            let range = pick(source, units, &coverage)?;
            let heading = source.heading.unwrap_or("");
            let score = coverage.of(&[heading, source.text.get(range.clone())?], detect(source.text));
            Some((score, source, range))
        })
        .collect();
    // Of two that say as much of what is asked, the one whose heading says nothing else: "Moscow" before "Moscow region".
    if let [first, second] = picked.as_slice()
        && second.0 >= first.0
        && focus(second.1, &asked) > focus(first.1, &asked)
    {
        picked.swap(0, 1);
        picked.truncate(1);
    }
    // The search ranked whole passages; the second one goes first only when what it says fits much better.
    if let [first, second] = picked.as_slice()
        && second.0 > first.0 + WORTH_ADDING
    {
        picked.swap(0, 1);
        picked.truncate(1);
    }
    if let [(first, one, range), (_, two, other)] = picked.as_slice() {
        let parts = [one.heading.unwrap_or(""), one.text.get(range.clone())?, two.text.get(other.clone())?];
        let overlaps = one.document_id == two.document_id
            && absolute(one, range).start < absolute(two, other).end
            && absolute(two, other).start < absolute(one, range).end;
        if overlaps || coverage.of(&parts, detect(one.text)) < first + WORTH_ADDING {
            picked.truncate(1);
        }
    }
    let mut text = String::new();
    let mut citations = Vec::new();
    for (number, (_, source, range)) in (1_u32..).zip(&picked) {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&unit::shown(source.text, range));
        text.push_str(&format!(" [{number}]"));
        citations.push(source.cite(number, range.clone())?);
    }
    (!citations.is_empty()).then_some((text, citations))
}

/// How much of the innermost heading is in the question, 0 to 1.
fn focus(source: &Source<'_>, asked: &[QueryTerm]) -> f64 {
    let heading = source.heading.and_then(|path| path.rsplit(" › ").next()).unwrap_or("");
    let all: Vec<_> = terms(heading, detect(source.text)).collect();
    let known = all.iter().filter(|(term, _)| asked.iter().any(|word| word.matches(term))).count();
    if all.is_empty() { 0.0 } else { precise(known) / precise(all.len()) }
}

fn precise(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn absolute(source: &Source<'_>, range: &Range<usize>) -> Range<u64> {
    let offset = |at: usize| source.start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    offset(range.start)..offset(range.end)
}

/// What of one passage answers the question.
fn pick(source: &Source<'_>, units: &[Unit], coverage: &Coverage) -> Option<Range<usize>> {
    let language = detect(source.text);
    let score = |unit: &Unit| coverage.of(&[unit.text(source.text)], language);
    let scores: Vec<f64> = units.iter().map(score).collect();
    let best = scores.iter().copied().fold(0.0, f64::max);
    // Of equal ones the first. Where only the heading or the title fits, the passage is quoted from its beginning.
    let mut at = if best > 0.0 { scores.iter().position(|score| *score >= best)? } else { 0 };
    // The heading is the question (of an FAQ); the answer stands below it.
    while units.get(at).is_some_and(|unit| unit.kind == UnitKind::Heading) {
        at = at.saturating_add(1);
    }
    let Some(first) = units.get(at) else {
        // A heading at the end, with nothing below: better the sentence before it than nothing.
        let last = units.iter().rfind(|unit| unit.kind != UnitKind::Heading)?;
        return Some(bounded(source.text, last.range.clone()));
    };
    let mut range = first.range.clone();
    let mut taken: usize = 1;
    for (next, score) in units.iter().zip(&scores).skip(at.saturating_add(1)) {
        let room = source
            .text
            .get(range.start..next.range.end)
            .is_some_and(|text| text.chars().count() <= MAX_QUOTE_CHARS);
        if !room || next.kind == UnitKind::Heading {
            break;
        }
        let joins = match (first.kind, next.kind) {
            // "You need:" is nothing without the list.
            _ if first.opens_list => next.kind == UnitKind::Item && taken <= 2 * MAX_UNITS,
            (UnitKind::Item, UnitKind::Item) => *score >= best * 0.9 && best > 0.0 && taken < MAX_UNITS,
            (UnitKind::Sentence, UnitKind::Sentence) => {
                next.paragraph == first.paragraph && taken < MAX_UNITS
            }
            _ => false,
        };
        if !joins {
            break;
        }
        range.end = next.range.end;
        taken = taken.saturating_add(1);
    }
    if taken > 1 && first.kind == UnitKind::Item {
        range.start = first.marker;
    }
    Some(bounded(source.text, range))
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
