//! Where sentences end.
//!
//! The rules are those of UAX #29 with three differences: a line break inside a paragraph is no border, an abbreviation is
//! none either, and no border is looked for further ahead than a few characters, so that the time is linear in the text.

use std::ops::Range;

/// How far ahead the next letter may be for its case to count, in characters.
const AHEAD: usize = 16;

/// Words before a full stop that does not end a sentence.
const ABBREVIATIONS: [&str; 36] = [
    "ул",
    "г",
    "д",
    "кв",
    "корп",
    "стр",
    "пр",
    "просп",
    "пер",
    "обл",
    "р",
    "руб",
    "коп",
    "тел",
    "доб",
    "им",
    "т",
    "е",
    "к",
    "п",
    "см",
    "рис",
    "мин",
    "макс",
    "напр",
    "др",
    "mr",
    "mrs",
    "dr",
    "st",
    "no",
    "approx",
    "incl",
    "vs",
    "e.g",
    "i.e",
];

/// The longest of them, in characters.
const MAX_ABBREVIATION_CHARS: usize = 6;

/// What ends a sentence, and what it takes besides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// White space behind it, and no lower case letter after that.
    Stop,
    /// White space behind it.
    Mark,
    /// The end of its line behind it.
    Colon,
    /// Nothing: scripts that put no spaces.
    Full,
}

fn end(letter: char) -> Option<End> {
    match letter {
        '.' | '…' => Some(End::Stop),
        '!' | '?' | '‽' | '؟' | '۔' | '।' | '॥' => Some(End::Mark),
        ':' => Some(End::Colon),
        '。' | '！' | '？' | '｡' => Some(End::Full),
        _ => None,
    }
}

/// Whether a character after the mark still belongs to the sentence.
fn closes(letter: char) -> bool {
    matches!(letter, '"' | '\'' | '»' | '”' | '’' | ')' | ']' | '*' | '_' | '`' | '」' | '』' | '）')
        || (letter != ':' && end(letter).is_some())
}

/// The sentences of a paragraph, in order, without the white space between them; none is empty.
pub(crate) fn sentences(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at.saturating_add(rest.len().saturating_sub(rest.trim_start().len()));
        if start >= text.len() {
            return None;
        }
        let body = text.get(start..)?;
        let length = first(body);
        at = start.saturating_add(length.max(1));
        Some(start..start.saturating_add(body.get(..length).unwrap_or(body).trim_end().len()))
    })
}

/// How many bytes the first sentence has.
fn first(text: &str) -> usize {
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let Some(mut kind) = end(letter) else { continue };
        let mut last = at.saturating_add(letter.len_utf8());
        while let Some((next, letter)) = letters.next_if(|(_, letter)| closes(*letter)) {
            last = next.saturating_add(letter.len_utf8());
            // "Really?!" and "(See above.)" end as their last mark says.
            kind = end(letter).filter(|new| *new != End::Stop || kind == End::Stop).unwrap_or(kind);
        }
        let after = text.get(last..).unwrap_or("");
        let ends = match kind {
            End::Full => true,
            End::Mark => after.starts_with(char::is_whitespace),
            End::Colon => after.trim_start_matches([' ', '\t']).starts_with('\n'),
            End::Stop => {
                after.starts_with(char::is_whitespace)
                    && !goes_on_small(after)
                    && !is_abbreviation(text.get(..at).unwrap_or(""))
            }
        };
        if ends {
            return last;
        }
    }
    text.len()
}

/// Whether the next letter is a lower case one.
fn goes_on_small(after: &str) -> bool {
    after.chars().take(AHEAD).find(|letter| letter.is_alphabetic()).is_some_and(char::is_lowercase)
}

fn is_abbreviation(before: &str) -> bool {
    let mut word: Vec<char> = before
        .chars()
        .rev()
        .take_while(|letter| !letter.is_whitespace() && *letter != '(')
        .take(MAX_ABBREVIATION_CHARS.saturating_add(1))
        .collect();
    word.reverse();
    let word: String = word.into_iter().flat_map(char::to_lowercase).collect();
    ABBREVIATIONS.contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str) -> Vec<&str> {
        sentences(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn sentences_end_where_a_reader_sees_it() {
        for (text, expected) in [
            ("One. Two! Three? four", vec!["One.", "Two!", "Three?", "four"]),
            (
                "It costs 3.50 in the U.S. today. (See below.) Yes",
                vec!["It costs 3.50 in the U.S. today.", "(See below.)", "Yes"],
            ),
            ("A line\nthat goes on. Next", vec!["A line\nthat goes on.", "Next"]),
            ("ул. Ленина, д. 5. Вход со двора.", vec!["ул. Ленина, д. 5.", "Вход со двора."]),
            ("You need:\nwater", vec!["You need:", "water"]),
            ("Note: 10:00", vec!["Note: 10:00"]),
            ("送料無料。返品可能。", vec!["送料無料。", "返品可能。"]),
            ("Really?! Yes…  No", vec!["Really?!", "Yes…", "No"]),
            ("  \n ", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_but_white_space_is_left_out(text in any::<String>()) {
            let mut last = 0;
            for range in sentences(&text) {
                prop_assert!(range.start < range.end && text[last..range.start].trim().is_empty());
                last = range.end;
            }
            prop_assert!(text[last..].trim().is_empty());
        }
    }
}
