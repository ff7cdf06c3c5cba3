//! What a text may say in disguise: letters apart, digits for letters, Russian in Latin letters, Base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::words::words;
use crate::question::reading::sounds;

/// How many encoded words are read, and of how many characters each at most.
const MOST_ENCODED: usize = 4;
const LONGEST_ENCODED: usize = 2000;

/// The words of every other reading of a text. `plain` are its words as they stand.
pub(super) fn readings(text: &str, plain: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    if let Some(joined) = joined(plain) {
        found.push(joined);
    }
    if plain.iter().any(|word| has_both(word)) {
        found.push(plain.iter().map(|word| undigited(word)).collect());
    }
    // Words that are no Russian in Latin letters give none that the patterns know.
    if plain.iter().any(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        found.push(plain.iter().map(|word| sounds(word)).collect());
    }
    found.extend(encoded(text).map(|inner| words(&inner)));
    found
}

fn has_both(word: &str) -> bool {
    word.chars().any(|letter| letter.is_ascii_digit()) && word.chars().any(char::is_alphabetic)
}

/// `1gn0re` as `ignore`.
fn undigited(word: &str) -> String {
    if !has_both(word) {
        return word.to_owned();
    }
    let letter = |letter: char| match letter {
        '0' => 'o',
        '1' => 'i',
        '3' => 'e',
        '4' => 'a',
        '5' => 's',
        '7' => 't',
        other => other,
    };
    word.chars().map(letter).collect()
}

/// `i.g.n.o.r.e all` as `ignore all`. Where all is apart, words have no ends; they are found again in what is joined.
fn joined(words: &[String]) -> Option<Vec<String>> {
    const LEAST: usize = 4;
    let is_letter = |word: &String| word.chars().nth(1).is_none() && word.chars().all(char::is_alphabetic);
    let mut found = Vec::new();
    let mut run = String::new();
    let mut any = false;
    let mut flush = |run: &mut String, found: &mut Vec<String>| {
        if run.chars().nth(LEAST.saturating_sub(1)).is_some() {
            any = true;
            split_known(run, found);
        } else {
            found.extend(run.chars().map(String::from));
        }
        run.clear();
    };
    for word in words {
        if is_letter(word) {
            run.push_str(word);
        } else {
            flush(&mut run, &mut found);
            found.push(word.clone());
        }
    }
    flush(&mut run, &mut found);
    any.then_some(found)
}

/// The words of the patterns in letters without blanks; what stands between them is a word, too.
fn split_known(letters: &str, found: &mut Vec<String>) {
    const KNOWN: &[&str] = &[
        "ignore",
        "forget",
        "disregard",
        "previous",
        "instructions",
        "system",
        "prompt",
        "rules",
        "your",
        "all",
        "show",
        "игнорируй",
        "забудь",
        "предыдущие",
        "инструкции",
        "системный",
        "промпт",
        "правила",
        "свои",
        "все",
        "покажи",
    ];
    let mut rest = letters;
    let mut between = String::new();
    while let Some(first) = rest.chars().next() {
        if let Some(known) = KNOWN.iter().find(|known| rest.starts_with(**known)) {
            if !between.is_empty() {
                found.push(std::mem::take(&mut between));
            }
            found.push((*known).to_owned());
            rest = rest.get(known.len()..).unwrap_or("");
        } else {
            between.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        }
    }
    if !between.is_empty() {
        found.push(between);
    }
}

/// What words in Base64 say, where that is text.
fn encoded(text: &str) -> impl Iterator<Item = String> {
    const LEAST: usize = 16;
    text.split_whitespace()
        .map(|token| token.trim_matches(|sign: char| !sign.is_ascii_alphanumeric() && sign != '='))
        .filter(|token| (LEAST..=LONGEST_ENCODED).contains(&token.len()))
        .filter_map(decoded)
        .take(MOST_ENCODED)
}

fn decoded(token: &str) -> Option<String> {
    const EITHER: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let alphabets = [&alphabet::STANDARD, &alphabet::URL_SAFE];
    let bytes =
        alphabets.into_iter().find_map(|letters| GeneralPurpose::new(letters, EITHER).decode(token).ok())?;
    let text = String::from_utf8(bytes).ok()?;
    (!text.chars().any(|letter| letter.is_control() && !letter.is_whitespace())).then_some(text)
}
