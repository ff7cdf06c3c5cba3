//! A provider's own words, as a log may hold them: they may repeat the key, or what a visitor wrote.

use frontdesk_domain::guard;

/// The most of them that is kept, in characters.
const MOST: usize = 240;
/// So many words of a visitor's in a row are a visitor's words.
const RUN: usize = 3;

/// The words without what looks like a key, an address or personal data, without long quotes, in one line.
pub(super) fn masked(text: &str) -> String {
    let line: String =
        text.chars().take(2000).map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut words: Vec<String> = without_quotes(&guard::mask(&line))
        .split_whitespace()
        .map(|word| if is_secret(word) { "…".to_owned() } else { word.to_owned() })
        .collect();
    words.dedup_by(|one, other| one == "…" && other == "…");
    let joined = words.join(" ");
    match joined.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", joined.get(..end).unwrap_or("")),
        None => joined,
    }
}

/// The words without those that `said` has in the same order.
pub(super) fn without(text: &str, said: &str) -> String {
    let plain = |word: &str| -> String {
        word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let said: Vec<String> = said.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
    let runs: std::collections::HashSet<&[String]> = said.windows(RUN.min(said.len()).max(1)).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let folded: Vec<String> = words.iter().map(|word| plain(word)).collect();
    let mut hidden = vec![false; words.len()];
    for (at, run) in folded.windows(RUN).enumerate() {
        if runs.contains(run) {
            hidden.iter_mut().skip(at).take(RUN).for_each(|hidden| *hidden = true);
        }
    }
    let mut kept: Vec<&str> =
        words.iter().zip(&hidden).map(|(word, hidden)| if *hidden { "…" } else { *word }).collect();
    kept.dedup_by(|one, other| *one == "…" && *other == "…");
    kept.join(" ")
}

/// What a web page calls itself.
pub(super) fn of_page(page: &str) -> String {
    let page: String = page.chars().take(4000).collect();
    let lower = page.to_ascii_lowercase();
    let title = ["<title>", "<h1>"].iter().find_map(|mark| {
        let from = lower.find(mark)?.checked_add(mark.len())?;
        let rest = page.get(from..)?;
        Some(rest.split('<').next()?.trim().to_owned())
    });
    title.map_or_else(|| "a web page".to_owned(), |title| format!("a web page: {title}"))
}

/// Long or mixed without a space: keys, tokens, ids. Names of models are shorter, or have no digit.
fn is_secret(word: &str) -> bool {
    let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    let lower = word.to_ascii_lowercase();
    lower.starts_with("sk-")
        || lower.starts_with("bearer")
        || word.len() > 60
        || word.contains('@')
        || (word.len() >= 20 && digits >= 3 && letters >= 3 && !word.contains(['/', ':']))
}

/// Quotes of more than three words may be a visitor's.
fn without_quotes(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(['"', '“', '«']) {
        let (before, quoted) = rest.split_at(start);
        kept.push_str(before);
        let mut letters = quoted.chars();
        let open = letters.next().unwrap_or('"');
        let inside = letters.as_str();
        let close = match open {
            '“' => '”',
            '«' => '»',
            other => other,
        };
        let Some(end) = inside.find(close) else {
            kept.push_str(quoted);
            return kept;
        };
        let words = inside.get(..end).unwrap_or("");
        if words.split_whitespace().count() > RUN {
            kept.push('…');
        } else {
            kept.push(open);
            kept.push_str(words);
            kept.push(close);
        }
        rest = inside.get(end.saturating_add(close.len_utf8())..).unwrap_or("");
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_addresses_and_quotes_are_hidden() {
        for (text, shown) in [
            ("Incorrect API key provided: sk-proj-abcdef.", "Incorrect API key provided: …"),
            ("token eyJhbGciOiJIUzI1NiIsInR5cCI6 is bad", "token … is bad"),
            ("write to anna@example.org", "write to [email]"),
            ("flagged for \"violence\": \"how do I hurt my neighbour\"", "flagged for \"violence\": …"),
            ("model 'llama3.2:1b-instruct' not found", "model 'llama3.2:1b-instruct' not found"),
            ("a\nb\u{1b}c", "a b c"),
        ] {
            assert_eq!(masked(text), shown);
        }
        assert!(masked(&"word ".repeat(1000)).chars().count() <= MOST + 1);
    }

    #[test]
    fn what_a_visitor_wrote_is_hidden() {
        let said = "My name is Anna Ivanova, where is my parcel?";
        assert_eq!(without("cannot answer: my name is Anna Ivanova where", said), "cannot answer: …");
        assert_eq!(without("the server is busy", said), "the server is busy");
    }

    proptest::proptest! {
        #[test]
        fn any_words_become_one_short_line_without_a_key(before in "\\PC{0,60}", after in proptest::prelude::any::<String>()) {
            let shown = masked(&format!("{before} sk-proj-abcdef1234567890 {after}"));
            proptest::prop_assert!(!shown.contains("sk-proj"), "{}", shown);
            proptest::prop_assert!(shown.chars().count() <= MOST + 1 && !shown.contains(char::is_control), "{}", shown);
            without(&after, &before);
            of_page(&after);
        }
    }

    #[test]
    fn long_words_are_read_in_time_that_grows_with_their_length() {
        for text in
            ["\"a ".repeat(500_000), "a b c ".repeat(200_000), "«“\"".repeat(300_000), "<h1>".repeat(300_000)]
        {
            assert!(masked(&text).chars().count() <= MOST + 1);
            without(&text, &text);
            of_page(&text);
        }
    }

    #[test]
    fn a_page_is_known_by_its_title() {
        assert_eq!(of_page("<!DOCTYPE html><html><title>Login</title>"), "a web page: Login");
        assert_eq!(of_page("<html>"), "a web page");
    }
}
