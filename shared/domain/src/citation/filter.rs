//! The filter between a model's words and the visitor.

use std::collections::BTreeSet;

use super::Source;

/// The longest link text and the longest address that are read as one, in bytes. Beyond, a `[` is just a bracket.
const MAX_LABEL: usize = 300;
const MAX_ADDRESS: usize = 2000;

/// Removes from an answer, while it is streamed, references to passages that were not offered and links that are in
/// none of those offered. What it let through is never taken back, so what was streamed is the final text.
///
/// It holds back only what may still become a reference or a link (`[12`, `https://sho`) and spaces before it; however
/// the text is cut into pieces, the result is the same. `[1, 3]` becomes `[1][3]`.
#[derive(Debug, Clone)]
pub struct CitationFilter {
    offered: usize,
    addresses: BTreeSet<String>,
    text: String,
    /// What was not decided on yet.
    pending: String,
    /// The last character before `pending`.
    before: Option<char>,
    spaces: Spaces,
}

/// What the front of the pending text is.
enum FilterStep {
    /// It cannot be told without more text.
    Wait,
    /// So many bytes become this text.
    Replace(usize, String),
    /// So many bytes are gone.
    Remove(usize),
}

impl CitationFilter {
    /// For an answer from these passages.
    #[must_use]
    pub fn new(sources: &[Source<'_>]) -> Self {
        let mut addresses = BTreeSet::new();
        let mut text = String::new();
        for source in sources {
            addresses.extend(source.url.map(canonical));
            addresses.extend(addresses_in(source.text));
            text.push_str(source.text);
            text.push('\n');
        }
        Self {
            offered: sources.len(),
            addresses,
            text,
            pending: String::new(),
            before: None,
            spaces: Spaces::default(),
        }
    }

    /// Takes a piece of the answer; gives what can be shown.
    pub fn push(&mut self, piece: &str) -> String {
        self.pending.push_str(piece);
        self.run(false)
    }

    /// Ends the answer; gives the rest.
    pub fn finish(&mut self) -> String {
        let mut shown = self.run(true);
        self.spaces.end(&mut shown);
        shown
    }

    fn run(&mut self, ended: bool) -> String {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        let mut shown = String::new();
        while let Some(first) = rest.chars().next() {
            let step = match self.step(rest, first, ended) {
                FilterStep::Wait if ended => FilterStep::Replace(first.len_utf8(), first.to_string()),
                step => step,
            };
            let used = match step {
                FilterStep::Wait => break,
                FilterStep::Replace(used, text) => {
                    text.chars().for_each(|letter| self.spaces.push(letter, &mut shown));
                    used
                }
                FilterStep::Remove(used) => {
                    self.spaces.gap();
                    used
                }
            };
            let (done, left) = rest.split_at_checked(used.max(1)).unwrap_or((rest, ""));
            self.before = done.chars().last();
            rest = left;
        }
        rest.clone_into(&mut self.pending);
        shown
    }

    fn step(&self, rest: &str, first: char, ended: bool) -> FilterStep {
        match first {
            '[' => self.bracket(rest, ended),
            '!' => match rest.as_bytes().get(1) {
                None => FilterStep::Wait,
                Some(b'[') => match self.bracket(rest.get(1..).unwrap_or(""), ended) {
                    // An image that no passage has is only its description.
                    FilterStep::Replace(used, text) if !text.starts_with('[') => {
                        FilterStep::Replace(used.saturating_add(1), text)
                    }
                    FilterStep::Wait if !ended => FilterStep::Wait,
                    _ => FilterStep::Replace(1, "!".to_owned()),
                },
                Some(_) => FilterStep::Replace(1, "!".to_owned()),
            },
            'h' | 'H' | 'w' | 'W' if !self.before.is_some_and(char::is_alphanumeric) => {
                self.address(rest, ended)
            }
            _ => FilterStep::Replace(first.len_utf8(), first.to_string()),
        }
    }

    /// `[…` at the front: a reference, a link, or a bracket.
    fn bracket(&self, rest: &str, ended: bool) -> FilterStep {
        let bare = || FilterStep::Replace(1, "[".to_owned());
        let inside = rest.get(1..).unwrap_or("");
        let Some(length) = inside.find([']', '[', '\n']) else {
            return if inside.len() > MAX_LABEL || ended { bare() } else { FilterStep::Wait };
        };
        let label = inside.get(..length).unwrap_or("");
        if length > MAX_LABEL || inside.as_bytes().get(length) != Some(&b']') {
            return bare();
        }
        let after = inside.get(length.saturating_add(1)..).unwrap_or("");
        let used = length.saturating_add(2);
        let (link, target) = match after.chars().next() {
            None if !ended => return FilterStep::Wait,
            Some('(') => match target(after, ended) {
                Target::Unknown => return FilterStep::Wait,
                Target::None => (0, None),
                Target::Found(length, target) => (length, Some(target)),
            },
            _ => (0, None),
        };
        let all = used.saturating_add(link);
        if let Some(numbers) = numbers(label) {
            let known: String = numbers
                .iter()
                .filter(|n| (1..=self.offered).contains(*n))
                .map(|n| format!("[{n}]"))
                .collect();
            return if known.is_empty() { FilterStep::Remove(all) } else { FilterStep::Replace(all, known) };
        }
        match target {
            Some(target) if !self.is_known(target) && label.trim().is_empty() => FilterStep::Remove(all),
            // A label that is itself an address must not survive its link.
            Some(target) if !self.is_known(target) => {
                let kept = without_addresses(label, |address| self.is_known(address));
                if kept.trim().is_empty() { FilterStep::Remove(all) } else { FilterStep::Replace(all, kept) }
            }
            Some(_) => FilterStep::Replace(all, rest.get(..all).unwrap_or("").to_owned()),
            None => bare(),
        }
    }

    /// A word with `h` or `w` at the front: an address, or a word.
    fn address(&self, rest: &str, ended: bool) -> FilterStep {
        match address_at(rest, ended) {
            Address::Unknown => FilterStep::Wait,
            Address::None => FilterStep::Replace(1, rest.get(..1).unwrap_or("").to_owned()),
            Address::Found(length) => {
                let address = rest.get(..length).unwrap_or("");
                if self.is_known(address) {
                    FilterStep::Replace(length, address.to_owned())
                } else {
                    FilterStep::Remove(length)
                }
            }
        }
    }

    /// Whether an address is in an offered passage.
    fn is_known(&self, target: &str) -> bool {
        let lower = target.to_ascii_lowercase();
        if PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return self.addresses.contains(&canonical(target));
        }
        if lower.starts_with("javascript:") || lower.starts_with("data:") || lower.starts_with("//") {
            return false;
        }
        let bare =
            ["mailto:", "tel:"].into_iter().find_map(|scheme| target.strip_prefix(scheme)).unwrap_or(target);
        !bare.is_empty() && self.text.contains(bare)
    }
}

/// How an address in running text begins.
const PREFIXES: [&str; 3] = ["https://", "http://", "www."];

enum Address {
    Unknown,
    None,
    Found(usize),
}

/// The address at the front of a text, without the punctuation of the sentence around it.
fn address_at(rest: &str, ended: bool) -> Address {
    let head: String = rest.chars().take(8).collect::<String>().to_ascii_lowercase();
    if !PREFIXES.iter().any(|prefix| head.starts_with(prefix)) {
        let may_become = !ended && PREFIXES.iter().any(|prefix| prefix.starts_with(&head));
        return if may_become && rest.len() < 8 { Address::Unknown } else { Address::None };
    }
    let ends = |letter: char| {
        letter.is_whitespace() || letter.is_control() || "<>\"`»«”“()[]{}|\\^".contains(letter)
    };
    let length = match rest.find(ends) {
        Some(length) => length,
        None if !ended && rest.len() <= MAX_ADDRESS => return Address::Unknown,
        None => rest.len(),
    };
    let address = rest.get(..length).unwrap_or("");
    Address::Found(
        address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '…', '’', '‘']).len(),
    )
}

/// Every address in a passage.
fn addresses_in(text: &str) -> impl Iterator<Item = String> {
    text.match_indices(['h', 'H', 'w', 'W']).filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        match address_at(rest, true) {
            Address::Found(length) => rest.get(..length).map(canonical),
            Address::Unknown | Address::None => None,
        }
    })
}

fn without_addresses(label: &str, is_known: impl Fn(&str) -> bool) -> String {
    let mut kept = String::new();
    for word in label.split_inclusive(char::is_whitespace) {
        match address_at(word.trim_start_matches(|letter: char| !letter.is_alphanumeric()), true) {
            Address::Found(length) if !is_known(word.get(..length).unwrap_or("")) => {}
            _ => kept.push_str(word),
        }
    }
    kept
}

/// One form for one address: without scheme, `www.`, case of the host, and a slash at the end.
fn canonical(address: &str) -> String {
    let lower = address.to_ascii_lowercase();
    let start =
        ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme)).map_or(0, str::len);
    let rest = address.get(start..).unwrap_or("");
    let rest = if lower.get(start..).is_some_and(|rest| rest.starts_with("www.")) {
        rest.get(4..).unwrap_or("")
    } else {
        rest
    };
    let rest = rest.trim_end_matches('/');
    match rest.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.to_lowercase()),
        None => rest.to_lowercase(),
    }
}

enum Target<'a> {
    Unknown,
    None,
    Found(usize, &'a str),
}

/// The target of `(target "title")` at the front, and how long the whole is.
fn target(rest: &str, ended: bool) -> Target<'_> {
    match rest.find([')', '\n']) {
        Some(end) if rest.as_bytes().get(end) == Some(&b')') => {
            let inside = rest.get(1..end).unwrap_or("").trim();
            let target = inside.split_whitespace().next().unwrap_or("");
            Target::Found(end.saturating_add(1), target.trim_matches(['<', '>']))
        }
        Some(_) => Target::None,
        None if ended || rest.len() > MAX_ADDRESS => Target::None,
        None => Target::Unknown,
    }
}

/// The numbers of `1`, `1, 3` or `^2`.
fn numbers(label: &str) -> Option<Vec<usize>> {
    let label = label.strip_prefix('^').unwrap_or(label);
    label
        .split(',')
        .map(|number| {
            let number = number.trim();
            let digits = (1..=4).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| number.parse().ok()).flatten()
        })
        .collect()
}

/// Spaces around what was removed: `the policy [9].` becomes `the policy.`.
#[derive(Debug, Clone, Default)]
struct Spaces {
    held: usize,
    after_gap: bool,
}

impl Spaces {
    fn gap(&mut self) {
        self.after_gap = true;
    }

    fn push(&mut self, letter: char, shown: &mut String) {
        if letter == ' ' {
            if !(self.after_gap && self.held > 0) {
                self.held = self.held.saturating_add(1);
            }
            return;
        }
        if !(self.after_gap && ".,;:!?)»\n".contains(letter)) {
            self.release(shown);
        }
        *self = Self::default();
        shown.push(letter);
    }

    fn end(&mut self, shown: &mut String) {
        if !self.after_gap {
            self.release(shown);
        }
        *self = Self::default();
    }

    fn release(&self, shown: &mut String) {
        shown.extend(std::iter::repeat_n(' ', self.held));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;
    use super::*;
    use proptest::prelude::*;

    const PASSAGE: &str = "Pay at https://pay.shop.example/now (or [here](https://help.shop.example/)). Mail help@shop.example.";

    fn filtered(pieces: &[&str]) -> String {
        let mut filter = CitationFilter::new(&[source(PASSAGE, 0), source("Two.", 0)]);
        let mut shown: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        shown.push_str(&filter.finish());
        shown
    }

    #[test]
    fn references_to_passages_that_do_not_exist_are_removed() {
        for (answer, shown) in [
            ("Yes [1]. No [9].", "Yes [1]. No."),
            ("Yes [1, 2, 7] and [3][2]", "Yes [1][2] and [2]"),
            ("A [0] b", "A b"),
            ("Costs [9], so", "Costs, so"),
            ("[7] First", " First"),
            ("An array a[5] and [ ] and [x] and [12345]", "An array a and [ ] and [x] and [12345]"),
            ("cut [1", "cut [1"),
            ("[1](https://evil.example) ok", "[1] ok"),
        ] {
            assert_eq!(filtered(&[answer]), shown, "{answer}");
        }
    }

    #[test]
    fn links_that_no_passage_has_are_removed() {
        for (answer, shown) in [
            ("See https://pay.shop.example/now.", "See https://pay.shop.example/now."),
            ("See https://evil.example/now.", "See."),
            ("See [our page](https://evil.example/x) now", "See our page now"),
            (
                "See [the help](https://help.shop.example) now",
                "See [the help](https://help.shop.example) now",
            ),
            ("[https://evil.example](https://evil.example) x", " x"),
            ("![pic](https://evil.example/a.png)!", "pic!"),
            ("at www.evil.example, or", "at, or"),
            ("[mail](mailto:help@shop.example) [call](tel:+100)", "[mail](mailto:help@shop.example) call"),
            ("[x](javascript:alert(1))", "x)"),
            ("how we wait when https", "how we wait when https"),
            ("HTTPS://PAY.SHOP.EXAMPLE/now", "HTTPS://PAY.SHOP.EXAMPLE/now"),
            ("https://pay.shop.example.evil.example/now", ""),
        ] {
            assert_eq!(filtered(&[answer]), shown, "{answer}");
        }
    }

    #[test]
    fn only_what_may_become_a_reference_is_held_back() {
        let mut filter = CitationFilter::new(&[source(PASSAGE, 0)]);
        assert_eq!(filter.push("It is free [1"), "It is free");
        assert_eq!(filter.push("2"), "");
        assert_eq!(filter.push("]. Also"), ". Also");
        assert_eq!(filter.finish(), "");
    }

    /// Texts that are full of the beginnings of references and links.
    fn answers() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("[".to_owned()),
            Just("]".to_owned()),
            Just("(".to_owned()),
            Just(")".to_owned()),
            Just("[1]".to_owned()),
            Just("[9]".to_owned()),
            Just("[1, 9]".to_owned()),
            Just(" ".to_owned()),
            Just("https://pay.shop.example/now".to_owned()),
            Just("http://evil.example".to_owned()),
            Just("www.".to_owned()),
            Just("![".to_owned()),
            Just("](https://evil.example)".to_owned()),
            Just("](https://help.shop.example/)".to_owned()),
            Just("\n".to_owned()),
            Just("ё.".to_owned()),
            "[a-zh w.:/!]{0,6}",
            any::<String>(),
        ];
        prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_text(answer in answers(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
            let borders: Vec<usize> = answer.char_indices().map(|(at, _)| at).collect();
            let mut at: Vec<usize> =
                if borders.is_empty() { Vec::new() } else { cuts.iter().map(|cut| *cut.get(&borders)).collect() };
            at.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in at {
                pieces.push(&answer[from..cut]);
                from = cut;
            }
            pieces.push(&answer[from..]);
            prop_assert_eq!(filtered(&pieces), filtered(&[&answer]));
        }

        #[test]
        fn no_invented_address_or_reference_survives(answer in answers()) {
            let shown = filtered(&[&answer]);
            prop_assert!(super::super::references(&shown).all(|(_, _, n)| (1..=2).contains(&n)), "{}", shown);
        }
    }
}
