//! What words mean at a front desk, in Russian and in English: which of them name one thing, and which name a kind of another.
//!
//! It is a short list of what visitors everywhere ask about. What an organisation alone has is in its documents.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::text::{Language, QueryTerm, Script, Term, is_stop_word, words};

const CONCEPTS: &str = include_str!("lexicon/concepts.txt");

/// The number of a concept: its line.
pub type Concept = u16;

/// What a word stands for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meaning {
    /// It is one word for each of these.
    pub names: Vec<Concept>,
    /// It is a kind of each of these.
    pub kinds: Vec<Concept>,
}

impl Meaning {
    /// Whether it means anything that is known here.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty() && self.kinds.is_empty()
    }

    /// Whether both are kinds of one thing: two cities, two colours.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.kinds.iter().any(|kind| other.kinds.contains(kind))
    }
}

struct Lexicon {
    meanings: HashMap<Term, Meaning>,
    /// By concept: the terms that name it.
    terms: Vec<Vec<Term>>,
}

/// The term of a word by the stemmer of its own script.
#[must_use]
pub fn term_of(word: &str) -> Term {
    let language = match Script::of_word(word) {
        Script::Cyrillic => Language::Russian,
        Script::Latin => Language::English,
        _ => Language::Other,
    };
    Term { language, stem: language.stem(word) }
}

fn lexicon() -> &'static Lexicon {
    static LEXICON: OnceLock<Lexicon> = OnceLock::new();
    LEXICON.get_or_init(|| {
        let mut lexicon = Lexicon { meanings: HashMap::new(), terms: Vec::new() };
        let lines = CONCEPTS.lines().filter(|line| !line.starts_with('#'));
        for (concept, line) in (0..=Concept::MAX).zip(lines) {
            let (names, kinds) = line.split_once(" < ").unwrap_or((line, ""));
            let mut terms: Vec<Term> = Vec::new();
            for term in names.split_whitespace().map(term_of) {
                let meaning = lexicon.meanings.entry(term.clone()).or_default();
                if !meaning.names.contains(&concept) {
                    meaning.names.push(concept);
                    terms.push(term);
                }
            }
            for term in kinds.split_whitespace().map(term_of) {
                let meaning = lexicon.meanings.entry(term).or_default();
                if !meaning.kinds.contains(&concept) {
                    meaning.kinds.push(concept);
                }
            }
            lexicon.terms.push(terms);
        }
        lexicon
    })
}

/// What a term stands for.
#[must_use]
pub fn meaning(term: &Term) -> Option<&'static Meaning> {
    lexicon().meanings.get(term)
}

/// The concept that a word names first. For the few that decide what kind of answer is wanted.
#[must_use]
pub fn concept(word: &str) -> Option<Concept> {
    meaning(&term_of(word)).and_then(|meaning| meaning.names.first().copied())
}

/// Whether a word is one that people use at a front desk: of this list, or one that joins others.
#[must_use]
pub fn is_known(word: &str) -> bool {
    is_stop_word(word) || meaning(&term_of(word)).is_some()
}

/// Every term that is known.
pub fn known_terms() -> impl Iterator<Item = &'static Term> {
    lexicon().meanings.keys()
}

/// The words of a question with the terms of other words for the same thing beside their own, so that a search finds what
/// calls it otherwise. At most [`MAX_VARIANTS`] for a word.
#[must_use]
pub fn widened(words: Vec<QueryTerm>) -> Vec<QueryTerm> {
    let lexicon = lexicon();
    words
        .into_iter()
        .map(|mut word| {
            let Some(meaning) = meaning(&term_of(&word.word)) else { return word };
            let concepts = meaning.names.iter().chain(&meaning.kinds);
            for term in concepts.filter_map(|concept| lexicon.terms.get(usize::from(*concept))).flatten() {
                if word.variants.len() >= MAX_VARIANTS {
                    break;
                }
                if !word.variants.contains(term) {
                    word.variants.push(term.clone());
                }
            }
            word
        })
        .collect()
}

/// How many terms a word is looked for under at most.
pub const MAX_VARIANTS: usize = 40;

/// How many words of a text are known.
#[must_use]
pub fn known_words(text: &str) -> usize {
    words(text).filter(|word| word.text.chars().nth(1).is_some() && is_known(&word.text)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_one_thing_meet_in_both_languages_and_kinds_of_it_do_not_meet_each_other() {
        let of = |word: &str| meaning(&term_of(word)).cloned().unwrap_or_default();
        assert!(of("доставляете").names.iter().any(|name| of("shipping").names.contains(name)));
        assert!(of("казань").is_beside(&of("сочи")) && !of("казань").is_beside(&of("белый")));
        assert!(of("казань").kinds.iter().any(|kind| of("городов").names.contains(kind)));
        assert!(of("синхрофазотрон").is_empty());
    }
}
