//! What a text may say in disguise: letters apart, digits for letters, Russian in Latin letters, Base64.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::injection::vocabulary;
use super::words::words;
use crate::question::reading::sounds;

/// How many encoded words are read, and of how many characters each at most.
const MOST_ENCODED: usize = 4;
const LONGEST_ENCODED: usize = 2000;

/// The words of every other reading of a text, each with whether it is written so to hide something: Russian in Latin letters is
/// not. `plain` are its words as they stand.
pub(super) fn readings(text: &str, plain: &[String]) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    if let Some(joined) = joined(text) {
        found.push((joined, true));
    }
    if plain.iter().any(|word| has_both(word)) {
        found.push((plain.iter().map(|word| undigited(word)).collect(), true));
    }
    // Words that are no Russian in Latin letters give none that the patterns know.
    if plain.iter().any(|word| word.bytes().all(|byte| byte.is_ascii_alphabetic())) {
        found.push((plain.iter().map(|word| sounds(word)).collect(), false));
    }
    found.extend(encoded(text).map(|inner| (words(&inner), true)));
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

/// `i.g.n.o.r.e a.l.l` as `ignore all`, and `i g n o r e  a l l`: what stands between words is another thing than what stands
/// between letters. Where all is apart alike, words have no ends; those of the patterns are found again in what is joined.
fn joined(text: &str) -> Option<Vec<String>> {
    const LEAST: usize = 4;
    let mut found = JoinedLetters::default();
    let mut begin = true;
    for line in text.lines() {
        for chunk in line.split("  ").filter(|chunk| !chunk.trim().is_empty()) {
            if !begin {
                found.flush();
            }
            begin = false;
            for token in chunk.split_whitespace() {
                let inside = words(token);
                let single = |word: &String| word.chars().nth(1).is_none();
                let letters = inside.iter().all(|word| single(word) && word.chars().all(char::is_alphabetic));
                if !letters {
                    found.flush();
                    found.words.extend(inside);
                } else if inside.len() > 1 {
                    found.flush();
                    found.run.extend(inside);
                    found.flush();
                } else {
                    found.run.extend(inside);
                }
            }
        }
    }
    found.flush();
    (found.longest >= LEAST).then_some(found.words)
}

/// Words, and letters that are to be joined to the next one.
#[derive(Default)]
struct JoinedLetters {
    words: Vec<String>,
    run: Vec<String>,
    longest: usize,
}

impl JoinedLetters {
    fn flush(&mut self) {
        self.longest = self.longest.max(self.run.len());
        split_known(&self.run.concat(), &mut self.words);
        self.run.clear();
    }
}

/// The words of the patterns in letters without blanks, the longest first; what stands between them is a word, too.
fn split_known(letters: &str, found: &mut Vec<String>) {
    let mut rest = letters;
    let mut between = String::new();
    while let Some(first) = rest.chars().next() {
        let known = vocabulary().filter(|known| rest.starts_with(known)).max_by_key(|known| known.len());
        if let Some(known) = known {
            if !between.is_empty() {
                found.push(std::mem::take(&mut between));
            }
            found.push(known.to_owned());
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
