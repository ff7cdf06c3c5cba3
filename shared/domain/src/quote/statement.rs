//! A statement with what stands around it, ready to be judged: its words and what they mean, its codes, numbers and signs.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::Offered;
use super::count;
use super::holds::{Has, Opening, has, opens, says_how};
use super::unit::{Unit, UnitKind};
use crate::citation::Source;
use crate::lexicon::{self, Concept};
use crate::question::{Asked, Question, codes, is_bound, numbers, told_apart};
use crate::text::{Language, Term, terms};

/// What counts what is said of a kind of thing, of which one is asked for.
pub(super) const KIND: f64 = 0.75;

/// What the rest of a statement's paragraph counts.
pub(super) const BESIDE: f64 = 0.8;

/// The terms of a piece of text, what they mean, and what stands in it besides.
#[derive(Debug, Default)]
pub(super) struct Said {
    terms: BTreeSet<Term>,
    /// Those that stand there only as a part of a joined word: the books of "e-books".
    bound: BTreeSet<Term>,
    names: BTreeSet<Concept>,
    kinds: BTreeSet<Concept>,
    /// The first letters of its words, for words that are made of them: "MRI".
    initials: String,
}

impl Said {
    pub(super) fn of(text: &str, language: Language) -> Self {
        let (mut said, mut free) = (Self::default(), BTreeSet::new());
        // "В течение" is a preposition, and no stream.
        for (term, word) in terms(text, language).filter(|(term, _)| term.stem != "течен") {
            said.initials.extend(word.text.chars().next());
            let term = told_apart(term, &word.text);
            if is_bound(text, &word) {
                said.bound.insert(term.clone());
            } else {
                free.insert(term.clone());
            }
            said.add(term);
        }
        said.bound.retain(|term| !free.contains(term));
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
        let variants = &word.known;
        if let Some(there) = variants.iter().find(|variant| self.terms.contains(*variant)) {
            return if self.bound.contains(there) == word.bound { 1.0 } else { 0.98 };
        }
        if self.terms.contains(&word.sounded) {
            return 1.0;
        }
        let named = |name: &Concept| self.names.contains(name);
        if word.meaning.names.iter().any(named) {
            return 0.8;
        }
        if variants.iter().any(|variant| crate::text::has_related(variant, &self.terms)) {
            return 0.85;
        }
        if word.acronym && self.initials.contains(&word.term.word) {
            return 0.8;
        }
        if word.meaning.kinds.iter().any(named) {
            return KIND;
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
    /// What it says that it is about, where it does: "Parking: …", the first field of a row.
    pub(super) subject: Said,
    /// What the thing of a row costs.
    pub(super) amount: Option<f64>,
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
        let row = text.starts_with('|') || (unit.kind == UnitKind::Item && has_fields(text));
        let named = if row { subject(text) } else { label(text) };
        let label = named.map(|label| focus_of(label, language, question));
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
            around: [(paragraph, BESIDE), (lead, 0.9), (inner, 0.9), (outer, 0.45)],
            codes: codes(text).into_iter().chain(around_codes.iter().cloned()).collect(),
            numbers: numbers(text),
            row,
            has: Has { negative: above_negative || has(text).negative, ..has(text) },
            subject: named.map(|named| Said::of(named, language)).unwrap_or_default(),
            amount: if row { amount(text) } else { None },
            condition,
            way,
            aside: !row && label.is_some_and(|focus| focus > 0.0 && focus < 1.0),
            focus: label.filter(|label| *label > 0.0).unwrap_or(focus),
        });
    }
}

/// Whether an item is a row of a table: "Product: cup; Price: 590".
fn has_fields(item: &str) -> bool {
    let mut fields = item.split("; ");
    let mut named = || fields.next().is_some_and(|field| field.contains(": "));
    named() && named()
}

/// The first amount of money in a row.
fn amount(row: &str) -> Option<f64> {
    let field = row.split(['|', ';']).find(|field| has(field).money)?;
    let digits: String =
        field.chars().filter(|letter| letter.is_ascii_digit() || matches!(letter, '.')).collect();
    digits.trim_matches('.').parse().ok()
}

/// What a row is about: its first field, without the name of the column.
fn subject(row: &str) -> Option<&str> {
    let first = row.trim_matches(['|', ' ']).split(['|', ';']).find(|field| !field.trim().is_empty())?;
    Some(first.split_once(": ").map_or(first, |(_, value)| value).trim())
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
    // "E-books" are books of a kind: what is joined to a word belongs to what it names.
    let joined = heading.split_whitespace().filter(|word| {
        word.contains(['-', '‑']) && !question.text.to_lowercase().contains(&word.to_lowercase())
    });
    let joined = joined.count();
    if all.terms.is_empty() {
        0.3
    } else {
        count(known) / count(all.terms.len().max(known.saturating_add(joined)))
    }
}
