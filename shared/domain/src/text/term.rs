//! Terms: what the index holds of a text and what a question looks for.

use super::language::{Language, Script};
use super::stop::is_stop_word;
use super::word::{Word, words};

/// A longer question is cut to this many different terms.
pub const MAX_QUERY_TERMS: usize = 48;

/// A stem and the language whose stemmer made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Term {
    /// The stemmer's language; [`Language::Other`] for numbers and scripts without a stemmer.
    pub language: Language,
    /// The stem.
    pub stem: String,
}

/// One word of a question, with every term it may stand under in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTerm {
    /// The word.
    pub word: String,
    /// Its terms, the likeliest first. Never empty.
    pub variants: Vec<Term>,
}

impl QueryTerm {
    /// Whether a term of a text is this word.
    #[must_use]
    pub fn matches(&self, term: &Term) -> bool {
        self.variants.contains(term)
    }
}

/// The shortest beginning that related forms share, in characters.
const ROOT_CHARS: usize = 5;

impl Term {
    /// The beginning that related forms share with this stem, and the longest that such a form may be, in characters.
    ///
    /// Snowball takes endings off, not suffixes: `delivery` and `deliver`, `доставка` and `доставлять` keep different
    /// stems. Two stems are related when they share their first five letters and three fifths of the longer one. Short
    /// stems and words without a stemmer have no related forms but themselves.
    #[must_use]
    pub fn root(&self) -> (&str, usize) {
        let length = self.stem.chars().count();
        if self.language == Language::Other || length < ROOT_CHARS {
            return (&self.stem, length);
        }
        let shared = ROOT_CHARS.max(length.saturating_mul(3).div_ceil(5));
        let end = self.stem.char_indices().nth(shared).map_or(self.stem.len(), |(at, _)| at);
        let longest = shared.saturating_mul(5).checked_div(3).unwrap_or(shared);
        (self.stem.get(..end).unwrap_or(&self.stem), longest)
    }
}

/// The language by which a word of a text in `language` is stemmed: that of its own script, so that a Latin brand name
/// in a Russian document meets the same name in an English question. Words with digits are not stemmed.
fn language_of(word: &str, language: Language) -> Language {
    if word.contains(|letter: char| letter.is_numeric()) {
        return Language::Other;
    }
    match Script::of_word(word) {
        script if script == language.script() => language,
        Script::Latin => Language::English,
        Script::Cyrillic => Language::Russian,
        Script::Greek => Language::Greek,
        Script::Arabic => Language::Arabic,
        Script::Tamil => Language::Tamil,
        Script::Other => Language::Other,
    }
}

fn term(word: &str, language: Language) -> Term {
    let language = language_of(word, language);
    let stem = language.stem(word);
    Term { language, stem: if stem.is_empty() { word.to_owned() } else { stem } }
}

/// The terms of a text in `language` with the words they come from, in order, without stop words.
pub fn terms(text: &str, language: Language) -> impl Iterator<Item = (Term, Word)> {
    words(text).filter(|word| !is_stop_word(&word.text)).map(move |word| (term(&word.text, language), word))
}

/// The stems of a text in `language`, in order, without stop words.
#[must_use]
pub fn stems(text: &str, language: Language) -> Vec<String> {
    terms(text, language).map(|(term, _)| term.stem).collect()
}

/// The different words of a question with the terms to look for, without stop words, at most [`MAX_QUERY_TERMS`].
///
/// A question is too short to tell Latin languages apart, and the organisation's documents may be in several. So a
/// Latin word is stemmed by every stemmer of that script; only terms of languages that the organisation's documents are
/// really in exist in its index. The first variant is that of `language`.
#[must_use]
pub fn query_terms(question: &str, language: Language) -> Vec<QueryTerm> {
    let mut found: Vec<QueryTerm> = Vec::new();
    for word in words(question).map(|word| word.text).filter(|word| !is_stop_word(word)) {
        let first = term(&word, language);
        if found.iter().any(|other| other.variants.first() == Some(&first)) {
            continue;
        }
        let script = first.language.script();
        let mut variants = vec![first];
        if script == Script::Latin {
            for other in Language::all().filter(|other| other.script() == script) {
                let variant = term(&word, other);
                if !variants.contains(&variant) {
                    variants.push(variant);
                }
            }
        }
        found.push(QueryTerm { word, variants });
        if found.len() == MAX_QUERY_TERMS {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stems_of_russian_and_english_are_these() {
        assert_eq!(
            stems("Сколько стоит доставка по Москве? Доставку, доставки!", Language::Russian),
            ["сто", "доставк", "москв", "доставк", "доставк"]
        );
        assert_eq!(
            stems(
                "How do I return items? Returned, returning; policies of the shop's warranties",
                Language::English
            ),
            ["return", "item", "return", "return", "polici", "shop", "warranti"]
        );
        assert_eq!(
            stems("Die Lieferungen kommen pünktlich", Language::German),
            ["die", "liefer", "komm", "punktlich"]
        );
    }

    #[test]
    fn the_script_of_a_word_chooses_its_stemmer() {
        let of = |text, language| terms(text, language).map(|(term, _)| term).collect::<Vec<_>>();
        let english = of("speakers", Language::English);
        assert_eq!(of("speakers", Language::Russian), english);
        assert_eq!(of("колонки", Language::English), of("колонки", Language::Russian));
        assert_eq!(of("TP1200", Language::Russian), of("tp1200", Language::German));
    }

    #[test]
    fn a_latin_word_is_looked_for_in_every_latin_language() {
        let question = query_terms("Lieferungen", Language::English);
        let german = terms("Lieferungen", Language::German).next().unwrap().0;
        assert!(question[0].matches(&german));
        assert_eq!(question[0].variants[0].language, Language::English);
        assert_eq!(query_terms("доставка доставки", Language::Russian).len(), 1);
    }

    #[test]
    fn a_question_without_words_has_no_terms() {
        assert!(query_terms("?! … а что это", Language::Russian).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>(), pick in 0usize..19) {
            let language = Language::all().nth(pick).unwrap();
            for (term, _) in terms(&text, language) {
                prop_assert!(!term.stem.is_empty());
            }
            prop_assert!(query_terms(&text, language).len() <= MAX_QUERY_TERMS);
        }
    }
}
