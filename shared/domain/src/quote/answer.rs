//! An answer without a model: the statement that answers a question, with what it needs around it to be understood.
//!
//! A statement is a sentence, a list item or a row. It is judged with its context: the paragraph, the line that opens its list,
//! its headings and its document's title. What is shown is the statement with its paragraph; an item or a rule of what is not
//! so never without its heading.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::holds::{Has, has};
use super::unit::{self, Unit, UnitKind, units};
use super::{MAX_QUOTE_CHARS, bounded};
use crate::answer::Citation;
use crate::citation::Source;
use crate::lexicon::{self, Concept};
use crate::question::{Asked, Question, codes, names, numbers};
use crate::text::{Language, Term, terms};

/// How many passages are read for an answer.
pub const MAX_OFFERED: usize = 24;

/// What a second statement must answer of what the first leaves open (0 to 1) to be shown, too.
const SECOND: f64 = 0.75;

/// What two statements must answer of a question together where neither does alone.
const TOGETHER: f64 = 0.75;

/// What a document in another language counts, of one in the question's own.
const FOREIGN: f64 = 0.6;

/// What a code counts, of a word.
const CODE: f64 = 0.5;

/// A passage that was found, and the language of its document.
#[derive(Debug, Clone, Copy)]
pub struct Offered<'a> {
    /// The passage.
    pub source: Source<'a>,
    /// The document's language.
    pub language: Language,
}

/// The terms of a piece of text, what they mean, and what stands in it besides.
#[derive(Debug, Default)]
struct Said {
    terms: BTreeSet<Term>,
    names: BTreeSet<Concept>,
    kinds: BTreeSet<Concept>,
}

impl Said {
    fn of(text: &str, language: Language) -> Self {
        let mut said = Self::default();
        for (term, _) in terms(text, language) {
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
    fn credit(&self, word: &Asked) -> f64 {
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

/// A statement, ready to be judged.
struct Candidate<'a> {
    offered: usize,
    source: &'a Source<'a>,
    language: Language,
    unit: usize,
    own: Said,
    /// What stands around it, the nearest first, each with what it counts.
    around: [(usize, f64); 4],
    codes: Vec<String>,
    numbers: Vec<String>,
    row: bool,
    has: Has,
    /// How much of its heading is in the question, 0 to 1.
    focus: f64,
}

/// What all statements are judged by.
struct Judge<'a> {
    question: &'a Question,
    weights: Vec<f64>,
    texts: Vec<Said>,
}

struct Scored {
    covered: f64,
    share: f64,
    /// What was counted of each word.
    credits: Vec<f64>,
}

impl Judge<'_> {
    fn score(&self, statement: &Candidate<'_>, only: Option<&[bool]>) -> Scored {
        let mut credits = Vec::with_capacity(self.question.words.len());
        let (mut covered, mut whole, mut direct) = (0.0, 0.0, 0.0_f64);
        for (at, word) in self.question.words.iter().enumerate() {
            let counts = only.is_none_or(|only| only.get(at).copied().unwrap_or(false));
            let own = statement.own.credit(word);
            let around = statement
                .around
                .iter()
                .map(|(text, share)| share * self.texts.get(*text).map_or(0.0, |said| said.credit(word)));
            let mut credit = around.fold(own, f64::max);
            if word.meaning.names.is_empty()
                && self.is_code(word)
                && statement.codes.iter().any(|code| self.question.codes.contains(code))
            {
                credit = 1.0;
            }
            // What kind of answer is wanted is met by an answer of that kind.
            if names(word, "цена") && statement.has.money {
                credit = credit.max(0.9);
            }
            credits.push(credit);
            if !counts {
                continue;
            }
            let weight = if word.asks { 0.2 } else { 1.0 }
                * self.weights.get(at).copied().unwrap_or(1.0)
                * 0.5_f64.powi(i32::from(word.age));
            covered += weight * credit;
            whole += weight;
            direct = direct.max(own);
        }
        // A code is asked for, also where its letters and digits are no words by themselves: "K-17". It counts less than a word:
        // what is asked of it is to be answered, and not only that it is named.
        if only.is_none() && !self.question.words.iter().any(|word| self.is_code(word)) {
            let there = self.question.codes.iter().filter(|code| statement.codes.contains(code)).count();
            whole += CODE * f64::from(u32::try_from(self.question.codes.len()).unwrap_or(u32::MAX));
            covered += CODE * f64::from(u32::try_from(there).unwrap_or(u32::MAX));
            direct = direct.max(if there > 0 { 1.0 } else { 0.0 });
        }
        let mut fits = 1.0;
        let (wants, has) = (&self.question.wants, &statement.has);
        for (wanted, there) in [
            (wants.price, has.money),
            (wants.time, has.time),
            (wants.duration, has.duration),
            (wants.number, has.number),
        ] {
            if wanted && !there {
                fits *= 0.75;
            }
        }
        if wants.negative && !has.negative {
            fits *= 0.75;
        }
        if wants.general && !wants.negative && has.negative {
            fits *= 0.7;
        }
        if (wants.mail && !has.mail) || (wants.phone && !has.phone) {
            fits *= 0.7;
        }
        if wants.general && !has.allows {
            fits *= 0.8;
        }
        if wants.hours && !has.hours {
            fits *= 0.7;
        }
        if wants.goods && statement.row {
            fits *= 1.15;
        }
        fits *= 0.85 + 0.25 * statement.focus;
        if self.question.numbers.iter().any(|number| statement.numbers.contains(number)) {
            fits *= 1.1;
        }
        if !self.question.codes.is_empty() && only.is_none() {
            let exact = self.question.codes.iter().any(|code| statement.codes.contains(code));
            fits *= if exact { 1.2 } else { 0.6 };
        }
        if statement.language != self.question.language && self.question.language != Language::Other {
            fits *= FOREIGN;
        }
        if direct <= 0.0 {
            fits *= 0.95;
        }
        let share = if whole > 0.0 { covered / whole } else { 0.0 };
        Scored { covered: covered * fits, share: share * fits, credits }
    }

    /// How much of the question two statements answer together, 0 to 1.
    fn share(&self, one: &Scored, two: &Scored) -> f64 {
        let (mut covered, mut whole) = (0.0, 0.0);
        for ((weight, first), second) in self.weights.iter().zip(&one.credits).zip(&two.credits) {
            covered += weight * first.max(*second);
            whole += weight;
        }
        if whole > 0.0 { covered / whole } else { 0.0 }
    }

    fn is_code(&self, word: &Asked) -> bool {
        let folded = codes(&word.term.word);
        folded.iter().any(|one| self.question.codes.iter().any(|code| code.starts_with(one.as_str())))
    }
}

/// The statement that answers a question, word for word, and a second one where the question asks for two things. Passages are
/// offered best first. `least` is what of the question it has to answer, 0 to 1. `None` when nothing does: an honest miss.
#[must_use]
pub fn quoted_answer(
    question: &Question,
    offered: &[Offered<'_>],
    least: f64,
) -> Option<(String, Vec<Citation>)> {
    if question.words.is_empty() && question.codes.is_empty() {
        return None;
    }
    let offered = offered.get(..offered.len().min(MAX_OFFERED)).unwrap_or(offered);
    let all: Vec<Vec<Unit>> = offered.iter().map(|offered| units(offered.source.text)).collect();
    let mut texts = vec![Said::default()];
    let mut statements = Vec::new();
    for (number, (offered, units)) in offered.iter().zip(&all).enumerate() {
        prepare(number, offered, units, question, &mut texts, &mut statements);
    }
    let weights = question.words.iter().map(|word| weight(word, &statements)).collect();
    let judge = Judge { question, weights, texts };
    let scored: Vec<Scored> = statements.iter().map(|statement| judge.score(statement, None)).collect();
    let (first, best) = best(&statements, &scored)?;
    let (mut picked, mut together) = (vec![first], 0.0);
    // What the first one leaves open, when that is a question of its own.
    let open: Vec<bool> = best
        .credits
        .iter()
        .zip(&question.words)
        .map(|(credit, word)| *credit < 0.4 && word.age == 0)
        .collect();
    let open_words = open.iter().filter(|open| **open).count();
    if open_words >= 1 && (open_words >= 2 || question.words.len() >= 3) {
        let rest: Vec<Scored> =
            statements.iter().map(|statement| judge.score(statement, Some(&open))).collect();
        let second = statements.iter().zip(&rest).filter(|(statement, score)| {
            score.share >= SECOND
                && statement.language == first.language
                && !(statement.offered == first.offered && statement.unit == first.unit)
        });
        if let Some((second, score)) = second.max_by(|one, two| {
            one.1.covered.total_cmp(&two.1.covered).then(two.0.offered.cmp(&one.0.offered))
        }) {
            picked.push(second);
            together = judge.share(best, score);
        }
    }
    if !judge.suffices(first, best, least) && together < TOGETHER {
        return None;
    }
    let mut text = String::new();
    let mut citations: Vec<Citation> = Vec::new();
    for statement in picked {
        let units = all.get(statement.offered)?;
        let range = shown_range(statement, units, &scored, &statements);
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

fn prepare<'a>(
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
                inner = note(text);
                lead = 0;
                continue;
            }
            _ if unit.opens_list => lead = note(text),
            UnitKind::Sentence => lead = 0,
            UnitKind::Item => {}
        }
        let paragraph = paragraphs.get(&unit.paragraph).copied().unwrap_or(0);
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
            focus: focus.max(label(text).map_or(0.0, |label| focus_of(label, language, question))),
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

/// A word that few statements hold tells more; one that none holds is likely to be what the question is about.
fn weight(word: &Asked, statements: &[Candidate<'_>]) -> f64 {
    let there = statements.iter().filter(|statement| statement.own.credit(word) >= 0.7).count();
    let all = count(statements.len());
    // Where one is says little of what is asked.
    if names(word, "магазин") {
        return 0.3;
    }
    if there == 0 {
        return 1.0;
    }
    let rare = ((all + 1.0) / (count(there) + 0.5)).ln() / (all + 1.0).ln().max(1.0);
    rare.clamp(0.3, 1.0)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn best<'a, 'b>(
    statements: &'a [Candidate<'b>],
    scored: &'a [Scored],
) -> Option<(&'a Candidate<'b>, &'a Scored)> {
    // The search ranked the passages: of equal statements that of the better one, and in it the first.
    statements
        .iter()
        .zip(scored)
        .enumerate()
        .max_by(|(one, (a, first)), (two, (b, second))| {
            let rank = |statement: &Candidate<'_>, score: &Scored| {
                score.covered * (1.0 + 0.02 / (count(statement.offered) + 1.0))
            };
            rank(a, first).total_cmp(&rank(b, second)).then(two.cmp(one))
        })
        .map(|(_, found)| found)
}

impl Judge<'_> {
    /// Whether a statement answers enough: of the whole question, or of one sentence of a longer message.
    fn suffices(&self, statement: &Candidate<'_>, best: &Scored, least: f64) -> bool {
        if best.share >= least {
            return true;
        }
        let last = self.question.words.iter().map(|word| word.clause).max().unwrap_or(0);
        (0..=last).any(|clause| {
            let only: Vec<bool> =
                self.question.words.iter().map(|word| word.clause == clause && word.age == 0).collect();
            let count = only.iter().filter(|counts| **counts).count();
            count >= 1 && count < only.len() && self.score(statement, Some(&only)).share >= least.max(0.65)
        })
    }
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
