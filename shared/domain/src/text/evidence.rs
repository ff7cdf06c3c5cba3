//! How much of a question a passage covers: whether there is an answer at all.

use std::collections::BTreeSet;

use super::language::Language;
use super::term::{QueryTerm, Term, terms};

/// What a related form of a word (`deliver` for `delivery`) counts of the word itself.
const RELATED: f64 = 0.8;

/// Cosine similarity at and below which a vector is no evidence, and at and above which it is as much as it can be.
/// Unrelated texts lie around 0.1 to 0.2 with current embedding models, an answer to a question from 0.5.
const COSINE_RANGE: (f64, f64) = (0.2, 0.7);

/// What a vector alone can prove at most: similar texts may still lack the answer.
const VECTOR_SHARE: f64 = 0.7;

/// The words of a question, each with its weight.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    terms: Vec<(QueryTerm, f64)>,
}

impl Coverage {
    /// Of words with their inverse document frequencies. A word that no passage of the organisation has weighs most: a
    /// question about something unknown must not be answered because of the words around it.
    #[must_use]
    pub fn new(terms: Vec<(QueryTerm, f64)>) -> Self {
        Self { terms }
    }

    /// The share of the question's weight whose words stand in `parts` (title, heading, text), 0 to 1.
    #[must_use]
    pub fn of(&self, parts: &[&str], language: Language) -> f64 {
        let found: BTreeSet<Term> =
            parts.iter().flat_map(|part| terms(part, language)).map(|(term, _)| term).collect();
        let whole: f64 = self.terms.iter().map(|(_, weight)| weight).sum();
        if whole <= 0.0 {
            return 0.0;
        }
        let covered: f64 = self.terms.iter().map(|(word, weight)| weight * credit(word, &found)).sum();
        (covered / whole).clamp(0.0, 1.0)
    }
}

fn credit(word: &QueryTerm, found: &BTreeSet<Term>) -> f64 {
    if word.variants.iter().any(|variant| found.contains(variant)) {
        1.0
    } else if word.variants.iter().any(|variant| has_related(variant, found)) {
        RELATED
    } else {
        0.0
    }
}

/// Whether a related form of a term is among those found, which are sorted by language and stem.
pub(crate) fn has_related(variant: &Term, found: &BTreeSet<Term>) -> bool {
    let (root, longest) = variant.root();
    let first = Term { language: variant.language, stem: root.to_owned() };
    found
        .range(first..)
        .take_while(|term| term.language == variant.language && term.stem.starts_with(root))
        .any(|term| term.stem.chars().count() <= longest)
}

/// Evidence of words and, where there is one, of a vector: each makes up for a part of what the other lacks.
#[must_use]
pub fn combine(coverage: f64, cosine: Option<f64>) -> f64 {
    let (low, high) = COSINE_RANGE;
    let vector = cosine.map_or(0.0, |cosine| ((cosine - low) / (high - low)).clamp(0.0, 1.0) * VECTOR_SHARE);
    (1.0 - (1.0 - coverage) * (1.0 - vector)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::query_terms;

    fn coverage(question: &str, passage: &str) -> f64 {
        let language = crate::text::detect(question);
        let weighted = query_terms(question, language).into_iter().map(|term| (term, 1.0)).collect();
        Coverage::new(weighted).of(&[passage], crate::text::detect(passage))
    }

    #[test]
    fn it_is_the_share_of_the_words_that_are_there() {
        assert_eq!(coverage("warranty for headphones", "Warranty: two years"), 0.5);
        assert_eq!(coverage("гарантия", "Гарантии на всё"), 1.0);
        assert_eq!(coverage("president of France", "Warranty: two years"), 0.0);
        assert_eq!(coverage("?", "Warranty"), 0.0);
    }

    #[test]
    fn a_related_form_counts_nearly_as_much() {
        assert_eq!(coverage("deliver", "Delivery takes two days"), RELATED);
        assert_eq!(coverage("доставляете", "Доставка за два дня"), RELATED);
    }

    #[test]
    fn vectors_add_but_never_take_away() {
        assert_eq!(combine(0.5, None), 0.5);
        assert_eq!(combine(0.5, Some(0.1)), 0.5);
        assert!(combine(0.5, Some(0.6)) > 0.5 && combine(0.0, Some(1.0)) < 1.0);
    }
}
