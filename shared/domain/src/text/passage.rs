//! Passages: pieces of a document that are indexed, shown to the model and cited.

use std::ops::Range;

use super::cut::Level;
use super::section::{Above, sections};

/// The longest passage, in characters.
pub const MAX_PASSAGE_CHARS: usize = 800;

/// How much of a passage the next one of the same section may repeat, in characters.
pub const OVERLAP_CHARS: usize = 120;

/// A passage with fewer characters takes the beginning of a block that does not fit whole, rather than to stand alone.
const SHORT_CHARS: usize = 200;

/// A passage as a piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// First byte; a character border.
    pub start: usize,
    /// The byte after the last one; a character border.
    pub end: usize,
    /// The headings above it, outermost first: `Delivery › Courier`.
    pub heading: Option<String>,
}

/// Cuts a text into passages of at most [`MAX_PASSAGE_CHARS`] on the borders of sections, paragraphs and sentences, in
/// time that grows with its length.
///
/// A section under a Markdown heading is never mixed with the next one; within a section passages overlap by up to
/// [`OVERLAP_CHARS`]. Everything but white space is in some passage; passages are in order of their starts.
#[must_use]
pub fn passages(text: &str) -> Vec<Span> {
    passages_below(text, Above::default(), usize::MAX)
}

/// The passages of a text that stands below something; with `enough` of them the sections that follow are left out.
pub(super) fn passages_below(text: &str, above: Above, enough: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    for section in sections(text, above) {
        if spans.len() >= enough {
            break;
        }
        let mut packer = Packer::new(text);
        packer.pack(section.start..section.end, Level::Block);
        let pieces = packer.finish().into_iter();
        spans.extend(pieces.map(|piece| Span {
            start: piece.start,
            end: piece.end,
            heading: section.heading.clone(),
        }));
    }
    spans
}

/// A piece of the text that is not cut any further.
struct Piece {
    range: Range<usize>,
    chars: usize,
}

/// Puts pieces one after the other into passages.
struct Packer<'a> {
    text: &'a str,
    done: Vec<Range<usize>>,
    /// The pieces of the passage that is open; at the front what it repeats.
    open: Vec<Piece>,
    /// How many of them it repeats.
    repeats: usize,
    /// The characters from the first of them to the end of the last one.
    chars: usize,
}

impl<'a> Packer<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, done: Vec::new(), open: Vec::new(), repeats: 0, chars: 0 }
    }

    /// The characters of a range, counted no further than it matters.
    fn count(&self, range: Range<usize>) -> usize {
        self.text.get(range).map_or(0, |text| text.chars().take(MAX_PASSAGE_CHARS.saturating_add(1)).count())
    }

    /// The white space between what is open and a place.
    fn gap(&self, start: usize) -> usize {
        self.open.last().map_or(0, |last| self.count(last.range.end..start))
    }

    /// Adds a range, whole where it fits, in its pieces at `level` where it does not.
    fn pack(&mut self, range: Range<usize>, level: Level) {
        let Some(text) = self.text.get(range.clone()) else { return };
        for piece in level.cut(text) {
            let at = |place: usize| range.start.saturating_add(place);
            self.add(at(piece.start)..at(piece.end), level);
        }
    }

    fn add(&mut self, range: Range<usize>, level: Level) {
        let chars = self.count(range.clone());
        let together = self.chars.saturating_add(self.gap(range.start)).saturating_add(chars);
        if together > MAX_PASSAGE_CHARS && !self.open.is_empty() {
            let stays_whole = chars <= MAX_PASSAGE_CHARS;
            if stays_whole || self.chars >= SHORT_CHARS {
                self.close(range.start, if stays_whole { chars } else { 0 });
            }
        }
        match level.finer() {
            Some(finer) if chars > MAX_PASSAGE_CHARS => self.pack(range, finer),
            _ => {
                self.chars = self.chars.saturating_add(self.gap(range.start)).saturating_add(chars);
                self.open.push(Piece { range, chars });
            }
        }
    }

    /// Ends the passage that is open. The next one, which goes on at `next` with `chars` characters, repeats its last
    /// pieces as far as there is room for them.
    fn close(&mut self, next: usize, chars: usize) {
        if !self.store() {
            (self.open, self.repeats, self.chars) = (Vec::new(), 0, 0);
            return;
        }
        let room = OVERLAP_CHARS.min(MAX_PASSAGE_CHARS.saturating_sub(chars));
        let (mut from, mut repeated, mut after) = (self.open.len(), 0_usize, next);
        // Never the whole passage, or it would not end.
        for (at, piece) in self.open.iter().enumerate().skip(1).rev() {
            let more =
                repeated.saturating_add(piece.chars).saturating_add(self.count(piece.range.end..after));
            if more > room {
                break;
            }
            (from, repeated, after) = (at, more, piece.range.start);
        }
        // The gap before `next` is counted when that comes.
        self.chars = repeated.saturating_sub(self.gap(next));
        self.open = self.open.split_off(from);
        self.repeats = self.open.len();
        if self.open.is_empty() {
            self.chars = 0;
        }
    }

    /// Stores the passage that is open, unless it only repeats what the one before it has.
    fn store(&mut self) -> bool {
        let has_more = self.open.len() > self.repeats;
        if let (true, Some(first), Some(last)) = (has_more, self.open.first(), self.open.last()) {
            self.done.push(first.range.start..last.range.end);
        }
        has_more
    }

    fn finish(mut self) -> Vec<Range<usize>> {
        self.store();
        self.done
    }
}

/// Cuts a passage into 2 to `most` parts of about the same length on the borders of paragraphs and sentences. Empty when
/// it has no such border, or `most` is less than 2.
#[must_use]
pub fn parts(passage: &str, most: usize) -> Vec<&str> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for item in Level::Item.cut(passage) {
        let text = passage.get(item.clone()).unwrap_or("");
        let at = |place: usize| item.start.saturating_add(place);
        pieces.extend(Level::Sentence.cut(text).into_iter().map(|piece| at(piece.start)..at(piece.end)));
    }
    let count = most.min(pieces.len());
    if count < 2 {
        return Vec::new();
    }
    let chars = |range: &Range<usize>| passage.get(range.clone()).map_or(0, |text| text.chars().count());
    let whole = pieces.iter().map(chars).fold(0, usize::saturating_add);
    let mut parts = Vec::with_capacity(count);
    let mut start = None;
    let mut done: usize = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let first = *start.get_or_insert(piece.start);
        done = done.saturating_add(chars(piece));
        let number = parts.len().saturating_add(1);
        let left = pieces.len().saturating_sub(at).saturating_sub(1);
        // A part ends at its share of the whole, and where each piece that is left has to be a part of its own.
        let is_full = done.saturating_mul(count) >= whole.saturating_mul(number);
        let must_end = left <= count.saturating_sub(number);
        if left == 0 || (number < count && (is_full || must_end)) {
            parts.extend(passage.get(first..piece.end));
            start = None;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_passage_is_cut_into_parts_at_sentences() {
        let passage =
            "We deliver in two days. Parcels go by courier. You can return a kettle. It takes a week.";
        assert_eq!(
            parts(passage, 2),
            ["We deliver in two days. Parcels go by courier.", "You can return a kettle. It takes a week."]
        );
        assert_eq!(parts(passage, 4).len(), 4);
        for (passage, most) in [("", 4), ("Short.", 1), (passage, 0), (passage, 1)] {
            assert!(parts(passage, most).is_empty(), "{passage} {most}");
        }
    }

    fn check(text: &str) {
        let spans = passages(text);
        let mut covered = 0;
        let mut last_start = 0;
        for span in &spans {
            let piece = text.get(span.start..span.end).expect("character borders");
            assert!(
                !piece.is_empty() && piece.chars().count() <= MAX_PASSAGE_CHARS,
                "{} chars",
                piece.chars().count()
            );
            assert!(span.start >= last_start, "out of order");
            if span.start > covered {
                assert!(text[covered..span.start].trim().is_empty(), "lost {:?}", &text[covered..span.start]);
            }
            covered = covered.max(span.end);
            last_start = span.start;
        }
        assert!(text[covered..].trim().is_empty(), "lost the end {:?}", &text[covered..]);
    }

    #[test]
    fn headings_open_passages_and_are_carried_along() {
        let text = "# Shop\n\n## Delivery\n\nBy courier.\n\n### Price\n\n300 roubles.\n\n## Returns\n\nWithin 14 days.\n";
        let found: Vec<_> = passages(text)
            .into_iter()
            .map(|span| (text[span.start..span.end].to_owned(), span.heading.unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                ("# Shop\n\n## Delivery\n\nBy courier.".to_owned(), "Shop › Delivery".to_owned()),
                ("### Price\n\n300 roubles.".to_owned(), "Shop › Delivery › Price".to_owned()),
                ("## Returns\n\nWithin 14 days.".to_owned(), "Shop › Returns".to_owned()),
            ]
        );
        check(text);
    }

    #[test]
    fn a_comment_in_a_code_block_is_no_heading() {
        let text = "# A\n\n```\n# not a heading\n```\n\ntext";
        assert_eq!(passages(text).len(), 1);
    }

    #[test]
    fn long_prose_is_cut_at_sentences_and_overlaps() {
        let text = "Каждый заказ собирают на складе и передают курьеру в тот же день. ".repeat(60);
        let spans = passages(&text);
        assert!(spans.len() > 4);
        for pair in spans.windows(2) {
            assert!(pair[1].start < pair[0].end, "no overlap");
            assert!(text[pair[1].start..].starts_with("Каждый"), "cut inside a sentence");
        }
        check(&text);
    }

    #[test]
    fn a_word_without_end_is_still_bounded() {
        check(&"я".repeat(5000));
        check(&"e\u{301}".repeat(3000));
        check(&format!("e{}", "\u{301}".repeat(3000)));
        check("");
        check(" \n\n ");
    }

    proptest! {
        #[test]
        fn any_text_is_covered_in_order_and_bounded(text in any::<String>()) {
            check(&text);
        }

        #[test]
        fn markdown_is_covered_in_order_and_bounded(
            parts in prop::collection::vec("(#{1,6} [a-zа-я]{1,9}\n|- [а-я ]{0,40}\n|\\| a \\| b \\|\n|```\n|> x\n|[a-я .]{0,300}|\n\n|\r\n|    )", 0..40)
        ) {
            check(&parts.concat());
        }
    }
}
