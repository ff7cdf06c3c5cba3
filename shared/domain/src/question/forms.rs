//! How a word of a question is compared with one of a text where the stemmer alone does not tell: forms that it cuts apart, stems
//! that are too short, words that are joined to another one.

use super::is_in;
use crate::lexicon::term_of;
use crate::text::{QueryTerm, Script, Term, Word, words};

/// The terms of a word as they are compared with those of a statement.
pub(super) fn known(term: &QueryTerm) -> Vec<Term> {
    term.variants.iter().map(|variant| told_apart(variant.clone(), &term.word)).collect()
}

/// A term of a text with what tells it from others where its stem is too short to: "инн" is no "инь", though both are cut to "ин".
pub(crate) fn told_apart(term: Term, word: &str) -> Term {
    if term.stem.chars().nth(2).is_some() {
        return term;
    }
    Term { stem: word.trim_end_matches(VOWELS).to_owned(), ..term }
}

/// Whether a word of a text is joined to another one by a hyphen.
pub(crate) fn is_bound(text: &str, word: &Word) -> bool {
    let hyphen = |letter: Option<char>| matches!(letter, Some('-' | '‑'));
    let before = text.get(..word.start).and_then(|before| before.chars().next_back());
    let after = text.get(word.end..).and_then(|after| after.chars().next());
    hyphen(before) || hyphen(after)
}

/// What may be an ending of a Russian word, or a part of one.
const VOWELS: &[char] = &['а', 'я', 'ь', 'й', 'о', 'е', 'и', 'ы', 'у', 'ю'];

/// The stems of other forms of a Russian word. The stemmer takes more off one form than off another ("запись" is cut to "зап",
/// "записи" to "запис"), so that the two would not meet.
pub(super) fn forms(word: &str) -> Vec<Term> {
    const ENDINGS: &[&str] = &["", "ь", "а", "и", "ы", "у", "е", "ом", "ой", "ю"];
    const LEAST: usize = 4;
    let base = word.trim_end_matches(VOWELS);
    if Script::of_word(word) != Script::Cyrillic || base.chars().nth(LEAST.saturating_sub(1)).is_none() {
        return Vec::new();
    }
    let stems = ENDINGS.iter().map(|ending| term_of(&format!("{base}{ending}")));
    stems.filter(|term| term.stem.chars().nth(2).is_some()).collect()
}

/// Whether a Russian word has the ending of a verb: "применить", "даете".
pub(super) fn is_verb(word: &str) -> bool {
    const ENDINGS: &[&str] = &["ть", "ться", "ти", "ете", "ите", "ется", "ится", "ешь", "ишь", "ают", "уют"];
    word.chars().nth(3).is_some() && ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// English words right behind who does something, or behind "to": "can I combine", "how to apply".
pub(super) fn after_a_person(text: &str) -> Vec<String> {
    let all: Vec<String> = words(text).map(|word| word.text).collect();
    let pairs = all.windows(2).filter_map(|pair| match pair {
        [who, what] if is_in("i you we they to it", who) => Some(what.clone()),
        _ => None,
    });
    pairs.collect()
}
