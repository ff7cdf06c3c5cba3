//! What the reader of a file says of its text: passages with the terms that the index holds of them, a window of the text
//! at a time. What keeps them takes nothing on trust ([`Split::fits`], [`Terms`]).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::language::{Language, detect};
use super::passage::{MAX_PASSAGE_CHARS, passages_below};
use super::section::{Above, MAX_HEADING_CHARS};
use super::term::{Term, terms};

/// A window of this many bytes always holds the next passages whole, and more than a few of them.
pub const WINDOW_BYTES: usize = 128 << 10;

/// The next passage may depend on so many bytes of the text behind it: a passage, and what did not fit into it.
const BEHIND: usize = 2 * MAX_PASSAGE_CHARS * 4;

/// The longest list of terms, in bytes: a passage has at most a term to a letter.
const MAX_TERMS_BYTES: usize = MAX_PASSAGE_CHARS * 16;

/// Terms of a text in order, each `<tag>_<stem>` and one space between two. Only ASCII letters, digits and `_`, and what is
/// beyond ASCII: so a term stays one token of the index, whatever is put in front of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Terms(String);

/// Something else than terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of terms")]
pub struct NoTerms;

impl Terms {
    /// The terms of a text in `language`.
    #[must_use]
    pub fn of(text: &str, language: Language) -> Self {
        let mut list = String::new();
        for (Term { language, stem }, _) in terms(text, language) {
            if !list.is_empty() {
                list.push(' ');
            }
            list.push_str(language.tag());
            list.push('_');
            list.push_str(&stem);
        }
        Self(list)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|term| !term.is_empty())
    }
}

impl TryFrom<String> for Terms {
    type Error = NoTerms;

    fn try_from(list: String) -> Result<Self, NoTerms> {
        let plain = list.chars().all(|letter| {
            !letter.is_ascii() || letter.is_ascii_alphanumeric() || matches!(letter, '_' | ' ')
        });
        if plain && list.len() <= MAX_TERMS_BYTES { Ok(Self(list)) } else { Err(NoTerms) }
    }
}

impl From<Terms> for String {
    fn from(terms: Terms) -> Self {
        terms.0
    }
}

/// What a window has to know of the text before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPlace {
    above: Above,
    /// The document's language, once it is known.
    pub language: Option<Language>,
}

/// A window of a document's text, of at least [`WINDOW_BYTES`] unless it is the last one.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// The text from `place` on.
    pub text: &'a str,
    /// Whether the document ends with it.
    pub is_last: bool,
    /// The document's title.
    pub title: &'a str,
    /// What stands above.
    pub place: &'a TextPlace,
    /// How many passages are wanted at most; not 0.
    pub most: usize,
}

/// A passage of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPassage {
    /// First byte in the window.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The headings above it.
    pub heading: Option<String>,
    /// The terms of its heading.
    pub heading_terms: Terms,
    /// The terms of its text.
    pub terms: Terms,
}

/// The next passages of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The language by which words are stemmed.
    pub language: Language,
    /// The terms of the document's title.
    pub title_terms: Terms,
    /// The passages, in order.
    pub passages: Vec<SplitPassage>,
    /// How many bytes of the window are done; the next one begins there.
    pub used: usize,
    /// What the next window has to know.
    pub next: TextPlace,
}

/// The next passages of a document, in time that grows with the window.
#[must_use]
pub fn split(window: &Window<'_>) -> Split {
    let Window { text, is_last, title, place, most } = *window;
    let language = place.language.unwrap_or_else(|| detect(text));
    let mut spans = passages_below(text, place.above.clone(), most.saturating_add(1));
    let settled = text.len().saturating_sub(if is_last { 0 } else { BEHIND });
    let keep = spans.iter().take(most).take_while(|span| span.end <= settled).count();
    // Where the first one begins that is not given yet; without one there is only white space left.
    let used = spans.get(keep).map_or(text.len(), |span| span.start);
    spans.truncate(keep);
    let passages = spans
        .into_iter()
        .map(|span| SplitPassage {
            start: span.start,
            end: span.end,
            heading_terms: Terms::of(span.heading.as_deref().unwrap_or(""), language),
            terms: Terms::of(text.get(span.start..span.end).unwrap_or(""), language),
            heading: span.heading,
        })
        .collect();
    Split {
        language,
        title_terms: Terms::of(title, language),
        passages,
        used,
        next: TextPlace { above: place.above.clone().at(text, used), language: Some(language) },
    }
}

impl Split {
    /// Whether this can be what [`split`] says of the window: places are in it, in order and on character borders, lengths
    /// are bounded, and it gets on.
    #[must_use]
    pub fn fits(&self, window: &Window<'_>) -> bool {
        let text = window.text;
        let mut last = 0;
        let ordered = self.passages.iter().all(|passage| {
            let in_order = passage.start >= std::mem::replace(&mut last, passage.start);
            let is_whole = text
                .get(Range { start: passage.start, end: passage.end })
                .is_some_and(|text| !text.is_empty() && text.chars().nth(MAX_PASSAGE_CHARS).is_none());
            let heading = passage.heading.as_deref().unwrap_or("");
            in_order && is_whole && heading.chars().nth(MAX_HEADING_CHARS).is_none()
        });
        let gets_on = self.used > 0 || text.is_empty();
        ordered && gets_on && self.passages.len() <= window.most && text.is_char_boundary(self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every passage of a text that comes in windows, with its place in the whole.
    fn windowed(text: &str, bytes: usize, most: usize) -> Vec<(usize, usize, Option<String>)> {
        let (mut at, mut place, mut found) = (0, TextPlace::default(), Vec::new());
        loop {
            let mut end = (at + bytes).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let is_last = end == text.len();
            let window = Window { text: &text[at..end], is_last, title: "", place: &place, most };
            let split = split(&window);
            assert!(split.fits(&window), "{split:?}");
            found.extend(
                split.passages.into_iter().map(|found| (at + found.start, at + found.end, found.heading)),
            );
            if is_last && at + split.used == text.len() {
                return found;
            }
            at += split.used;
            place = split.next;
        }
    }

    fn check(text: &str, found: &[(usize, usize, Option<String>)]) {
        let mut covered = 0;
        for (start, end, _) in found {
            assert!(*start <= covered || text[covered..*start].trim().is_empty(), "lost {covered}..{start}");
            covered = covered.max(*end);
        }
        assert!(text[covered..].trim().is_empty());
    }

    #[test]
    fn windows_give_the_passages_of_the_whole_text() {
        let mut text = String::new();
        for section in 0..200 {
            text.push_str(&format!("## Раздел {section}\n\n"));
            for line in 0..section % 40 {
                text.push_str(&format!("Строка {line} говорит о чайниках и доставке по Москве.\n\n"));
            }
        }
        let whole: Vec<_> = super::super::passages(&text)
            .into_iter()
            .map(|span| (span.start, span.end, span.heading))
            .collect();
        assert!(whole.len() > 200, "{}", whole.len());
        for (bytes, most) in [(20_000, 64), (40_000, 7), (1 << 20, 1)] {
            let found = windowed(&text, bytes, most);
            check(&text, &found);
            assert_eq!(found, whole, "{bytes} {most}");
        }
    }

    #[test]
    fn a_fence_and_a_heading_reach_over_windows() {
        let text = format!("# Чай\n\n```\n{}```\n\nend", "# no heading\n".repeat(3000));
        let found = windowed(&text, 20_000, 64);
        check(&text, &found);
        assert!(found.iter().all(|(.., heading)| heading.as_deref() == Some("Чай")));
        // A window that begins inside a line, with what would be a heading at its beginning.
        let line = "слово # ".repeat(10_000);
        assert!(windowed(&line, 20_000, 64).iter().all(|(.., heading)| heading.is_none()));
    }

    #[test]
    fn terms_are_one_token_each_or_none() {
        let terms = Terms::of("Доставка по Москве costs 3.5 €", Language::Russian);
        assert_eq!(terms.iter().collect::<Vec<_>>(), ["ru_доставк", "ru_москв", "en_cost", "x_3_5"]);
        for list in ["en_a.b", "en_a\tb", "en_a-b", "en_\0", "'"] {
            assert_eq!(Terms::try_from(list.to_owned()), Err(NoTerms), "{list}");
        }
        assert_eq!(Terms::try_from("a".repeat(MAX_TERMS_BYTES + 1)), Err(NoTerms));
    }

    #[test]
    fn what_does_not_fit_its_window_is_noticed() {
        let place = TextPlace::default();
        let window =
            Window { text: "Чай вкусный.", is_last: true, title: "", place: &place, most: 1 };
        let good = split(&window);
        assert!(good.fits(&window));
        let with = |change: &dyn Fn(&mut Split)| {
            let mut bad = good.clone();
            change(&mut bad);
            bad.fits(&window)
        };
        assert!(!with(&|bad| bad.passages[0].start = 1));
        assert!(!with(&|bad| bad.passages[0].end = 1000));
        assert!(!with(&|bad| bad.passages[0].end = 0));
        assert!(!with(&|bad| bad.used = 0));
        assert!(!with(&|bad| bad.used = 1));
        assert!(!with(&|bad| bad.passages.push(bad.passages[0].clone())));
        assert!(!with(&|bad| bad.passages[0].heading = Some("x".repeat(201))));
    }

    proptest! {
        #[test]
        fn terms_of_any_text_are_a_list_of_terms(text in any::<String>(), pick in 0usize..19) {
            let language = Language::all().nth(pick).unwrap();
            let text: String = text.chars().take(MAX_PASSAGE_CHARS).collect();
            let list = String::from(Terms::of(&text, language));
            prop_assert!(Terms::try_from(list.clone()).is_ok(), "{}", list);
        }

        #[test]
        fn any_windows_cover_any_text(
            parts in prop::collection::vec("(#{1,6} [a-zа-я]{1,9}\n|- [а-я ]{0,40}\n|\\| a \\| b \\|\n|```\n|[a-я .]{0,900}|\n\n| {0,900}|x{900})", 0..60),
            bytes in 12_900_usize..30_000, most in 1_usize..9,
        ) {
            let text = parts.concat();
            check(&text, &windowed(&text, bytes, most));
        }
    }
}
