//! Whether a passage has the numbers and names of a statement that refers to it.

use std::collections::HashSet;

use crate::citation::{Source, code, references};
use crate::quote;
use crate::text::{Language, detect, is_stop_word};

/// What a passage has.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    numbers: HashSet<String>,
    words: Vec<String>,
    language: Language,
}

impl Proof {
    /// Of a passage, with its title and headings.
    pub(super) fn of(source: &Source<'_>) -> Self {
        let all = [source.title, source.heading.unwrap_or(""), source.text].join("\n");
        let mut numbers_of: HashSet<String> = HashSet::new();
        for number in numbers(&all) {
            numbers_of.extend(number.parts);
            numbers_of.insert(number.whole);
        }
        Self {
            numbers: numbers_of,
            words: words(&all).map(str::to_lowercase).collect(),
            language: detect(source.text),
        }
    }

    fn has_number(&self, number: &Number) -> bool {
        self.numbers.contains(&number.whole) || number.parts.iter().all(|part| self.numbers.contains(part))
    }

    fn has_word(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.words.contains(&word)
    }

    fn has_name(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        // Declined names differ at their ends.
        let length = name.chars().count();
        let stem: String = name.chars().take(length.saturating_sub(2).max(3)).collect();
        self.words.iter().any(|word| word.starts_with(&stem))
    }
}

/// Whether the passages have, together, the numbers and names of the last statement of `text`. What stands before another
/// reference is that one's.
pub(super) fn holds(text: &str, proofs: &[&Proof]) -> bool {
    let own = references(text).last().and_then(|(_, end, _)| text.get(end..));
    let own = own.filter(|own| own.chars().any(char::is_alphanumeric)).unwrap_or(text);
    let said = plain(own);
    let statement = quote::last_statement(said.trim());
    if is_empty_of_sense(statement) {
        return false;
    }
    let has_address =
        |address: &str| words(address).all(|part| proofs.iter().any(|proof| proof.has_word(part)));
    if !addresses(statement).all(has_address) {
        return false;
    }
    if !numbers(statement).all(|number| proofs.iter().any(|proof| proof.has_number(&number))) {
        return false;
    }
    // Names are written otherwise in another script, and German writes every noun as one.
    let russian = detect(statement) == Language::Russian;
    let alike = |proof: &&Proof| match proof.language {
        Language::Russian => russian,
        Language::English => !russian,
        _ => false,
    };
    let names: Vec<&str> = names(statement).collect();
    let comparable = proofs.iter().all(alike) && names.len().saturating_mul(4) <= words(statement).count();
    !comparable || names.iter().all(|name| proofs.iter().any(|proof| proof.has_name(name)))
}

/// Words that only point at a passage.
const POINTING: &[&str] = &[
    "see",
    "here",
    "page",
    "source",
    "sources",
    "document",
    "documents",
    "link",
    "according",
    "reference",
    "refer",
    "click",
    "read",
    "смотри",
    "смотрите",
    "см",
    "здесь",
    "тут",
    "страница",
    "странице",
    "источник",
    "источники",
    "документ",
    "документе",
    "документы",
    "ссылка",
    "ссылке",
    "согласно",
    "подробнее",
];

/// Whether a statement says nothing beside where it is from: "See our page [1]" proves nothing.
fn is_empty_of_sense(statement: &str) -> bool {
    let (mut points, mut means) = (false, false);
    for word in words(statement).map(str::to_lowercase) {
        let pointing = POINTING.contains(&word.as_str());
        points |= pointing;
        means |= !pointing && !is_stop_word(&word);
    }
    points && !means
}

/// What may be typed into a browser: names with points in them, `shop.example/pay`.
fn addresses(statement: &str) -> impl Iterator<Item = &str> {
    statement
        .split(|letter: char| letter.is_whitespace() || matches!(letter, '/' | '@' | ':' | ','))
        .filter_map(|word| {
            let name = word.trim_matches(|letter: char| !letter.is_alphanumeric());
            let is_part = |part: &str| {
                !part.is_empty() && part.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
            };
            let (first, last) = (name.split('.').next()?, name.rsplit('.').next()?);
            let is_long = |part: &str| part.chars().nth(1).is_some();
            (first.len() < name.len()
                && is_long(first)
                && is_long(last)
                && last.chars().all(char::is_alphabetic)
                && name.split('.').all(is_part))
            .then_some(name)
        })
}

/// The numbers of a statement that a quote does not have.
pub fn missing(statement: &str, quote: &str) -> Vec<String> {
    let mut there: HashSet<String> = HashSet::new();
    for number in numbers(quote) {
        there.extend(number.parts);
        there.insert(number.whole);
    }
    let lacks = |number: &Number| {
        !there.contains(&number.whole) && !number.parts.iter().all(|part| there.contains(part))
    };
    numbers(&plain(statement)).filter(lacks).map(|number| number.whole).take(8).collect()
}

/// The text without what is in brackets or is code.
fn plain(text: &str) -> String {
    let mut codes = code::ranges(text).into_iter().peekable();
    let mut kept = String::new();
    let mut depth = 0_u32;
    for (at, letter) in text.char_indices() {
        while codes.next_if(|code| code.end <= at).is_some() {}
        if codes.peek().is_some_and(|code| code.contains(&at)) {
            continue;
        }
        match letter {
            '[' => depth = depth.saturating_add(1),
            ']' if depth > 0 => depth = depth.saturating_sub(1),
            '*' | '_' | '`' => {}
            letter if depth == 0 => kept.push(letter),
            _ => {}
        }
    }
    kept
}

struct Number {
    /// Without the marks between its thousands.
    whole: String,
    /// Its digits between marks.
    parts: Vec<String>,
}

/// The numbers of a text; a mark of a list is none.
fn numbers(text: &str) -> impl Iterator<Item = Number> {
    let mut found: Vec<Number> = Vec::new();
    let mut rest = text.trim_start();
    let marker = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if marker.len() < rest.len() && marker.starts_with([')', '.']) && marker.get(1..2) == Some(" ") {
        rest = marker;
    }
    let mut open: Vec<String> = Vec::new();
    let mut digits = String::new();
    let mut gap = String::new();
    let close = |open: &mut Vec<String>, found: &mut Vec<Number>| {
        if !open.is_empty() {
            let whole = open.concat();
            let parts = open.drain(..).filter_map(|part| significant(&part)).collect();
            found.extend(significant(&whole).map(|whole| Number { whole, parts }));
        }
    };
    for letter in rest.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            if digits.is_empty() && !open.is_empty() && gap.chars().count() != 1 {
                close(&mut open, &mut found);
            }
            gap.clear();
            digits.push(letter);
            continue;
        }
        if !digits.is_empty() {
            // Only three digits go on with a number of thousands.
            if !open.is_empty() && digits.len() != 3 {
                close(&mut open, &mut found);
            }
            open.push(std::mem::take(&mut digits));
            if open.first().is_some_and(|first| first.len() > 3) {
                close(&mut open, &mut found);
            }
        }
        gap.push(letter);
        if !matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | ',' | '.' | '\'' | '’') {
            close(&mut open, &mut found);
        }
    }
    close(&mut open, &mut found);
    found.into_iter()
}

/// Digits without zeros before them; none of nothing.
fn significant(digits: &str) -> Option<String> {
    let digits = digits.trim_start_matches('0');
    (!digits.is_empty()).then(|| digits.to_owned())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Words in the middle of a statement that begin with a capital.
fn names(statement: &str) -> impl Iterator<Item = &str> {
    let mut before = ' ';
    let mut first = true;
    let mut found = Vec::new();
    for piece in statement.split_inclusive(|letter: char| !letter.is_alphanumeric()) {
        let word = piece.trim_end_matches(|letter: char| !letter.is_alphanumeric());
        let after = piece.get(word.len()..).and_then(|after| after.chars().next());
        if !word.is_empty() {
            let mut letters = word.chars();
            let capital = letters.next().is_some_and(char::is_uppercase)
                && letters.clone().count() >= 2
                && letters.all(char::is_lowercase);
            let begins = first || !matches!(before, ' ' | ',' | '-' | '’' | '\'');
            if capital && !begins {
                found.push(word);
            }
            first = false;
            before = ' ';
        }
        match after {
            Some(' ' | '\u{a0}') | None => {}
            Some(mark) => before = mark,
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::citation::tests::source;

    fn proven(statement: &str, passage: &str) -> bool {
        holds(statement, &[&Proof::of(&source(passage, 0))])
    }

    #[test]
    fn numbers_and_names_must_stand_in_the_passage() {
        let passage = "Courier delivery in Moscow costs 300 roubles, from 5 000 roubles it is free. We are open from 9:00 to 18:30.";
        for (statement, is) in [
            ("The courier in Moscow costs 300 roubles.", true),
            ("The courier in Moscow costs 350 roubles.", false),
            ("From 5,000 roubles delivery is free.", true),
            ("From 5000 roubles delivery is free.", true),
            ("We are open from 9 to 18:30.", true),
            ("We are open from 9 to 19.", false),
            ("The courier in Kazan costs 300 roubles.", false),
            ("It is free. Pickup costs 10 roubles.", false),
            ("Pickup costs 10 roubles. The courier costs 300 roubles.", true),
            ("Use `arr[7]` and [2024]: the courier costs 300 roubles.", true),
            ("1. The courier costs 300 roubles.", true),
            ("Note: Free from 5 000 roubles.", true),
            ("See our page.", false),
            ("Смотрите здесь:", false),
            ("Yes.", true),
            ("You can.", true),
            ("Pay for delivery in Moscow at evil.example/pay.", false),
            ("The courier costs 300 roubles.It is free from 5 000 roubles.", true),
        ] {
            assert_eq!(proven(statement, passage), is, "{statement}");
        }
        assert!(proven("Доставка в Москву стоит 300 рублей.", "Доставка по Москве: 300 ₽."));
        assert!(!proven("Доставка в Казань стоит 300 рублей.", "Доставка по Москве: 300 ₽."));
        assert!(
            proven("Delivery to Moscow costs 300 roubles.", "Доставка по Москве стоит 300 рублей."),
            "another language"
        );
    }
}
