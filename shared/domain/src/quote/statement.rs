//! A statement with what stands around it, ready to be judged: its words and what they mean, its codes, numbers and signs.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::Offered;
use super::count;
use super::holds::{Has, Opening, has, opens, says_how};
use super::unit::{Unit, UnitKind};
use crate::citation::Source;
use crate::lexicon::{self, Concept};
use crate::question::{Asked, Question, codes, numbers};
use crate::text::{Language, Term, terms};

/// The terms of a piece of text, what they mean, and what stands in it besides.
#[derive(Debug, Default)]
pub(super) struct Said {
    terms: BTreeSet<Term>,
    names: BTreeSet<Concept>,
    kinds: BTreeSet<Concept>,
}

impl Said {
    pub(super) fn of(text: &str, language: Language) -> Self {
        let mut said = Self::default();
        // "В течение" is a preposition, and no stream.
        for (term, _) in terms(text, language).filter(|(term, _)| term.stem != "течен") {
            said.add(term);
        }
        said
    }

    fn of_term(term: Term) -> Self {
        let mut said = Self::default();
        said.add(term);
        said
    }

    fn add(&mut self, term: Term) {
        if let Some(meaning) = lexicon::meaning(&term) {
            self.names.extend(&meaning.names);
            self.kinds.extend(&meaning.kinds);
        }
        self.terms.insert(term);
    }

    /// How much of a word stands here: itself, a related form, another word for it, a thing of which it is a kind.
    pub(super) fn credit(&self, word: &Asked) -> f64 {
        let variants = &word.term.variants;
        if variants.iter().any(|variant| self.terms.contains(variant)) {
            return 1.0;
        }
        if self.terms.contains(&word.sounded) {
            return 1.0;
        }
        if word.meaning.names.iter().any(|name| self.names.contains(name)) {
            return 0.8;
        }
        if variants.iter().any(|variant| crate::text::has_related(variant, &self.terms)) {
            return 0.85;
        }
        if word.meaning.kinds.iter().any(|kind| self.names.contains(kind)) {
            return 0.75;
        }
        if word.meaning.names.iter().any(|name| self.kinds.contains(name)) { 0.4 } else { 0.0 }
    }
}

/// Under what a statement holds, where that is said first: "If the goods are faulty, …", "After the warranty".
#[derive(Debug)]
pub(super) enum Condition {
    /// In the case that is named by these words.
    Case(usize),
    /// Outside of what is named.
    Outside,
}

/// A statement, ready to be judged.
pub(super) struct Candidate<'a> {
    pub(super) offered: usize,
    pub(super) source: &'a Source<'a>,
    pub(super) language: Language,
    pub(super) unit: usize,
    pub(super) own: Said,
    /// What stands around it, the nearest first, each with what it counts.
    pub(super) around: [(usize, f64); 4],
    pub(super) codes: Vec<String>,
    pub(super) numbers: Vec<String>,
    pub(super) row: bool,
    pub(super) has: Has,
    /// How much of its heading is in the question, 0 to 1.
    pub(super) focus: f64,
    /// The condition under which alone it holds.
    pub(super) condition: Option<Condition>,
    /// It begins with a name for a part of what is asked: "Payment in instalments: …".
    pub(super) aside: bool,
    /// Under a heading that says how something is done.
    pub(super) way: bool,
}
pub(super) fn prepare<'a>(
    number: usize,
    offered: &'a Offered<'a>,
    units: &[Unit],
    question: &Question,
    texts: &mut Vec<Said>,
    statements: &mut Vec<Candidate<'a>>,
) {
    let (source, language) = (&offered.source, offered.language);
    let mut note = |text: &str| {
        texts.push(Said::of(text, language));
        texts.len().saturating_sub(1)
    };
    let path = source.heading.unwrap_or("");
    let (outer, inner) = path.rsplit_once(" › ").unwrap_or(("", path));
    let around_codes = codes(&format!("{} | {path}", source.title));
    let (mut focus, mut above_negative) = (focus_of(inner, language, question), has(inner).negative);
    let (mut above, mut way) = (opens(inner), says_how(inner));
    let mut inner = note(inner);
    let outer = note(&format!("{} {outer}", source.title));
    let mut paragraphs: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for unit in units {
        let range = paragraphs.entry(unit.paragraph).or_insert((unit.range.start, unit.range.end));
        range.1 = unit.range.end;
    }
    let paragraphs: BTreeMap<usize, usize> = paragraphs
        .into_iter()
        .map(|(paragraph, (start, end))| (paragraph, note(source.text.get(start..end).unwrap_or(""))))
        .collect();
    let mut lead = 0;
    for (at, unit) in units.iter().enumerate() {
        let text = unit.text(source.text);
        match unit.kind {
            UnitKind::Heading => {
                (focus, above_negative) = (focus_of(text, language, question), has(text).negative);
                (above, way) = (opens(text), says_how(text));
                inner = note(text);
                lead = 0;
                continue;
            }
            _ if unit.opens_list => lead = note(text),
            UnitKind::Sentence => lead = 0,
            UnitKind::Item => {}
        }
        let paragraph = paragraphs.get(&unit.paragraph).copied().unwrap_or(0);
        let label = label(text).map(|label| focus_of(label, language, question));
        let condition = match opens(text).or(above) {
            Some(Opening::Case(case)) => Some(Condition::Case(note(case))),
            Some(Opening::Outside) => Some(Condition::Outside),
            None => None,
        };
        statements.push(Candidate {
            offered: number,
            source,
            language,
            unit: at,
            own: Said::of(text, language),
            around: [(paragraph, 0.8), (lead, 0.9), (inner, 0.9), (outer, 0.45)],
            codes: codes(text).into_iter().chain(around_codes.iter().cloned()).collect(),
            numbers: numbers(text),
            row: text.starts_with('|') || (unit.kind == UnitKind::Item && text.contains("; ")),
            has: Has { negative: above_negative || has(text).negative, ..has(text) },
            condition,
            way,
            aside: label.is_some_and(|focus| focus > 0.0 && focus < 1.0),
            focus: focus.max(label.unwrap_or(0.0)),
        });
    }
}

/// What a statement begins with before a colon: "Parking: …" is about parking.
fn label(text: &str) -> Option<&str> {
    const LONGEST: usize = 40;
    let (label, rest) = text.split_once(':')?;
    (label.chars().count() <= LONGEST && rest.starts_with(char::is_whitespace) && !rest.trim().is_empty())
        .then_some(label)
}

/// How much of a heading a question names: "Moscow" before "Moscow region".
fn focus_of(heading: &str, language: Language, question: &Question) -> f64 {
    let all = Said::of(heading, language);
    let named = |term: &Term| {
        let one = Said::of_term(term.clone());
        question.words.iter().any(|word| one.credit(word) >= 0.7)
    };
    let known = all.terms.iter().filter(|term| named(term)).count();
    if all.terms.is_empty() { 0.3 } else { count(known) / count(all.terms.len()) }
}
