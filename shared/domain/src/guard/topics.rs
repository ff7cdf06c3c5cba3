//! Topics an organisation does not talk about.

use super::words::words;
use crate::text::Language;

/// Whether one of the topics (words or phrases) is in the text, in any inflection.
pub(super) fn found(topics: &[String], folded: &[String]) -> bool {
    if topics.is_empty() {
        return false;
    }
    let text: Vec<(&str, String)> = folded.iter().map(|word| (word.as_str(), stem(word))).collect();
    topics.iter().any(|topic| {
        let topic: Vec<(String, String)> = words(topic)
            .into_iter()
            .map(|word| {
                let stem = stem(&word);
                (word, stem)
            })
            .collect();
        !topic.is_empty()
            && text.windows(topic.len()).any(|window| {
                window.iter().zip(&topic).all(|((word, stem), (wanted, wanted_stem))| {
                    stem == wanted_stem || is_case_of(word, wanted)
                })
            })
    })
}

/// Whether a Russian word is another with a case ending. The stemmer takes the "ит" of "кредит" for a verb's ending and
/// gives "кредиты" another stem.
fn is_case_of(word: &str, noun: &str) -> bool {
    const ENDINGS: &[&str] = &[
        "а", "у", "ом", "е", "ы", "и", "ов", "ам", "ами", "ах", "ем", "ей", "ям", "ями", "ях", "я", "ю",
        "ью", "ой",
    ];
    noun.chars().count() >= 4
        && is_cyrillic(noun)
        && word.strip_prefix(noun).is_some_and(|ending| ENDINGS.contains(&ending))
}

fn is_cyrillic(word: &str) -> bool {
    word.chars().any(|letter| matches!(letter, 'а'..='я'))
}

/// The stem by the script of the word.
fn stem(word: &str) -> String {
    if is_cyrillic(word) { Language::Russian } else { Language::English }.stem(word)
}
