//! Words of a text, in the form in which two spellings of one word are equal.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// A longer word is cut: it is no word of a language. In characters.
pub const MAX_WORD_CHARS: usize = 64;

/// A word and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// NFKC, lower case, `ё` as `е`, without apostrophes; other ASCII punctuation inside (`3.5`) as `_`. Never empty.
    pub text: String,
    /// First byte in the text.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

/// The words of a text, in order, by the word borders of UAX #29.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    text.unicode_word_indices().filter_map(|(start, word)| {
        let normal = normalise(word);
        (!normal.is_empty()).then(|| Word { text: normal, start, end: start.saturating_add(word.len()) })
    })
}

fn normalise(word: &str) -> String {
    let mut normal = String::with_capacity(word.len());
    for letter in word.nfkc().flat_map(char::to_lowercase).take(MAX_WORD_CHARS) {
        match letter {
            'ё' => normal.push('е'),
            // Combined after lower-casing `İ`; without it `İstanbul` and `istanbul` are one word.
            '\u{307}' | '\u{ad}' | '\u{200c}' | '\u{200d}' => {}
            '\'' | '\u{2018}' | '\u{2019}' | '\u{2bc}' => normal.push('\''),
            letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => normal.push('_'),
            letter if letter.is_control() || letter.is_whitespace() => {}
            letter => normal.push(letter),
        }
    }
    let bare = normal.strip_suffix("'s").unwrap_or(&normal);
    bare.replace('\'', "").trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).map(|word| word.text).collect()
    }

    #[test]
    fn spellings_of_one_word_are_equal() {
        assert_eq!(texts("Счёт СЧЕТ счет"), ["счет", "счет", "счет"]);
        assert_eq!(texts("customer's customer’s don't"), ["customer", "customer", "dont"]);
        assert_eq!(texts("ﬁle ｆｉｌｅ"), ["file", "file"]);
        assert_eq!(
            texts("3.5 kg, 10:00–20:00, TP-1200"),
            ["3_5", "kg", "10", "00", "20", "00", "tp", "1200"]
        );
        assert_eq!(texts("İstanbul"), ["istanbul"]);
    }

    proptest! {
        #[test]
        fn words_lie_in_the_text_and_are_never_empty(text in any::<String>()) {
            let mut last = 0;
            for word in words(&text) {
                prop_assert!(word.start >= last && word.end > word.start);
                prop_assert!(text.get(word.start..word.end).is_some());
                prop_assert!(!word.text.is_empty());
                prop_assert!(!word.text.contains(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_'));
                last = word.end;
            }
        }
    }
}
