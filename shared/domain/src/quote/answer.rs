//! An answer without a model: the statement that answers a question, with what it needs around it to be understood.
//!
//! A statement is a sentence, a list item or a row. It is judged with its context: the paragraph, the line that opens its list,
//! its headings and its document's title. What is shown is the statement with its paragraph; an item or a rule of what is not
//! so never without its heading.

use std::ops::Range;

use super::holds::{has, is_span};
use super::judge::{Judge, Scored, best, measures, weight};
use super::statement::{Candidate, Said, prepare};
use super::unit::{self, Unit, UnitKind, units};
use super::{MAX_QUOTE_CHARS, bounded};
use crate::answer::Citation;
use crate::citation::Source;
use crate::question::{Question, Wants, names};
use crate::text::Language;

/// How many passages are read for an answer.
pub const MAX_OFFERED: usize = 24;

/// What a second statement must answer of what the first leaves open (0 to 1) to be shown, too.
const SECOND: f64 = 0.75;

/// What two statements must answer of a question together where neither does alone.
const TOGETHER: f64 = 0.75;

/// A passage that was found, and the language of its document.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// The passage.
    pub source: Source<'a>,
    /// The document's language.
    pub language: Language,
}

/// The statement that answers a question, word for word, and a second one where the question asks for two things. Passages are
/// offered best first. `least` is what of the question it has to answer, 0 to 1. `None` when nothing does: an honest miss.
#[must_use]
pub fn quoted_answer(
    question: &Question,
    offered: &[Offered<'_>],
    least: f64,
) -> Option<(String, Vec<Citation>)> {
    // "How much is it?" alone names nothing that could be answered, and "it is four days now" neither.
    if question.words.iter().all(|word| word.asks || (is_span(&word.term.word) && !names(word, "расписание")))
        && question.codes.is_empty()
    {
        return None;
    }
    let offered = offered.get(..offered.len().min(MAX_OFFERED)).unwrap_or(offered);
    let all: Vec<Vec<Unit>> = offered.iter().map(|offered| units(offered.source.text)).collect();
    let mut texts = vec![Said::default()];
    let mut statements = Vec::new();
    for (number, (offered, units)) in offered.iter().zip(&all).enumerate() {
        prepare(number, offered, units, question, &mut texts, &mut statements);
    }
    let weights = question.words.iter().map(|word| weight(word, question, &statements)).collect();
    let judge = Judge { question, weights, texts, measures: measures(question) };
    let scored: Vec<Scored> =
        statements.iter().map(|statement| judge.score(statement, None, &question.wants)).collect();
    let extreme = judge.extreme(&statements, &scored);
    let alone = extreme.is_some();
    let (first, best) = match extreme {
        Some(found) => found,
        None => best(&statements, &scored)?,
    };
    let (mut picked, mut together) = (vec![first], 0.0);
    // What the first one leaves open, when that is a question of its own.
    let open: Vec<bool> = best
        .credits
        .iter()
        .zip(&question.words)
        .map(|(credit, word)| *credit < 0.4 && word.age == 0)
        .collect();
    // Two halves of one clause that are said of different things are no answer to it.
    let is_open =
        |clause: usize| open.iter().zip(&question.words).any(|(open, word)| *open && word.clause == clause);
    let apart =
        !open.iter().zip(&question.words).any(|(open, word)| !open && word.age == 0 && is_open(word.clause));
    let wants = if apart { Wants::default() } else { question.wants };
    let open_words = open.iter().filter(|open| **open).count();
    if open_words >= 1 && (open_words >= 2 || question.words.len() >= 3) {
        let rest: Vec<Scored> =
            statements.iter().map(|statement| judge.score(statement, Some(&open), &wants)).collect();
        let second = statements.iter().zip(&rest).filter(|(statement, score)| {
            score.share >= SECOND
                && statement.language == first.language
                && !(statement.offered == first.offered && statement.unit == first.unit)
        });
        if let Some((second, score)) = second.max_by(|one, two| {
            one.1.covered.total_cmp(&two.1.covered).then(two.0.offered.cmp(&one.0.offered))
        }) {
            picked.push(second);
            together = if apart { judge.share(best, score) } else { 0.0 };
        }
    }
    if !judge.suffices(first, best, least) && together < TOGETHER {
        return None;
    }
    let mut text = String::new();
    let mut citations: Vec<Citation> = Vec::new();
    for statement in picked {
        let units = all.get(statement.offered)?;
        let range = if alone {
            units.get(statement.unit).map(|unit| unit.range.clone())?
        } else {
            shown_range(statement, units, &scored, &statements)
        };
        let number = u32::try_from(citations.len()).unwrap_or(0).saturating_add(1);
        let citation = statement.source.cite(number, range.clone())?;
        let repeats = citations.iter().any(|other| {
            other.document_id == citation.document_id
                && other.start < citation.end
                && citation.start < other.end
        });
        if repeats {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        if let Some(heading) = heading_for(statement, units, &range) {
            text.push_str(heading.trim_end_matches(':'));
            text.push_str(":\n");
        }
        text.push_str(&unit::shown(statement.source.text, &range));
        text.push_str(&format!(" [{number}]"));
        citations.push(citation);
    }
    (!citations.is_empty()).then_some((text, citations))
}

/// The headings nearest to a question, at most `most`: what could be asked instead.
#[must_use]
pub fn topics(question: &Question, offered: &[Offered<'_>], most: usize) -> Vec<String> {
    const LONGEST: usize = 60;
    let mut found: Vec<String> = Vec::new();
    for offered in offered.iter().filter(|offered| offered.language == question.language) {
        let heading =
            offered.source.heading.and_then(|path| path.rsplit(" › ").next()).unwrap_or(offered.source.title);
        let topic = heading.trim().trim_end_matches(':');
        let fits = (3..=LONGEST).contains(&topic.chars().count()) && !topic.contains(['\n', '/']);
        if fits && !found.iter().any(|other| other == topic) {
            found.push(topic.to_owned());
        }
        if found.len() >= most {
            break;
        }
    }
    found
}
/// What is quoted for a statement: a row alone; an item, or all of its list where the list as a whole is asked for; a sentence
/// with its paragraph, as far as that is short.
fn shown_range(
    statement: &Candidate<'_>,
    units: &[Unit],
    scored: &[Scored],
    all: &[Candidate<'_>],
) -> Range<usize> {
    let text = statement.source.text;
    let Some(unit) = units.get(statement.unit) else { return 0..0 };
    let score = |at: usize| {
        let same = |other: &Candidate<'_>| other.offered == statement.offered && other.unit == at;
        all.iter().zip(scored).find(|(other, _)| same(other)).map_or(0.0, |(_, score)| score.covered)
    };
    let own = score(statement.unit);
    let joins = |at: usize| {
        units.get(at).is_some_and(|other| match (unit.kind, other.kind) {
            (UnitKind::Item, UnitKind::Item) if statement.row => score(at) >= own * 0.98,
            (UnitKind::Item, UnitKind::Item) => score(at) >= own * 0.85,
            (UnitKind::Sentence, UnitKind::Sentence) => other.paragraph == unit.paragraph,
            (UnitKind::Sentence, UnitKind::Item) => unit.opens_list,
            _ => false,
        })
    };
    let fits = |range: &Range<usize>| {
        text.get(range.clone()).is_some_and(|text| text.chars().count() <= MAX_QUOTE_CHARS)
    };
    let (mut first, mut last) = (statement.unit, statement.unit);
    let span = |first: usize, last: usize| {
        let start = units.get(first).map_or(0, |begin| {
            if first < last || begin.kind == UnitKind::Sentence { begin.marker } else { begin.range.start }
        });
        start..units.get(last).map_or(0, |end| end.range.end)
    };
    loop {
        let next = last.saturating_add(1);
        if joins(next) && fits(&span(first, next)) {
            last = next;
            continue;
        }
        let Some(before) = first.checked_sub(1) else { break };
        if joins(before) && fits(&span(before, last)) {
            first = before;
            continue;
        }
        break;
    }
    bounded(text, span(first, last))
}

/// The heading or opening line without which a quote says something else: above an item, and above what is not so.
fn heading_for<'a>(statement: &Candidate<'a>, units: &[Unit], range: &Range<usize>) -> Option<&'a str> {
    let text = statement.source.text;
    let unit = units.get(statement.unit)?;
    if unit.text(text).starts_with('|') {
        return None;
    }
    let above =
        units.get(..statement.unit)?.iter().rev().find(|other| {
            other.kind == UnitKind::Heading || (other.opens_list && unit.kind == UnitKind::Item)
        });
    let heading = match above {
        Some(above) if range.contains(&above.range.start) => return None,
        Some(above) => text.get(above.range.clone())?,
        None => statement.source.heading?.rsplit(" › ").next()?,
    };
    let needed = (unit.kind == UnitKind::Item && !statement.row) || has(heading).negative;
    (needed && !heading.is_empty()).then_some(heading)
}
