//! Passages: pieces of a document that are indexed, shown to the model and cited.

use text_splitter::{ChunkConfig, MarkdownSplitter};

/// The longest passage, in characters.
pub const MAX_PASSAGE_CHARS: usize = 800;

/// How much of a passage the next one of the same section may repeat, in characters.
pub const OVERLAP_CHARS: usize = 120;

/// A heading path longer than this is cut at its front. In characters.
const MAX_HEADING_CHARS: usize = 200;

/// Between the headings of a path.
const PATH_SEPARATOR: &str = " › ";

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

/// A part of a text under one heading.
struct Section {
    start: usize,
    end: usize,
    heading: Option<String>,
}

/// Cuts a text into passages of at most [`MAX_PASSAGE_CHARS`] on the borders of sections, paragraphs and sentences.
///
/// A section under a Markdown heading is never mixed with the next one; within a section passages overlap by up to
/// [`OVERLAP_CHARS`]. Everything but white space is in some passage; passages are in order of their starts.
#[must_use]
pub fn passages(text: &str) -> Vec<Span> {
    let Ok(config) = ChunkConfig::new(MAX_PASSAGE_CHARS).with_overlap(OVERLAP_CHARS) else {
        return Vec::new(); // The overlap is smaller than the size: never.
    };
    let splitter = MarkdownSplitter::new(config);
    let mut spans = Vec::new();
    for section in sections(text) {
        let Some(body) = text.get(section.start..section.end) else { continue };
        for (offset, piece) in splitter.chunk_indices(body) {
            let start = section.start.saturating_add(offset);
            spans.push(Span {
                start,
                end: start.saturating_add(piece.len()),
                heading: section.heading.clone(),
            });
        }
    }
    spans
}

/// Cuts a passage into 2 to `most` parts of about the same length on the borders of paragraphs and sentences. Empty when
/// it has no such border, or `most` is less than 2.
#[must_use]
pub fn parts(passage: &str, most: usize) -> Vec<&str> {
    let Some(mut size) = passage.chars().count().checked_div(most) else { return Vec::new() };
    loop {
        size = size.saturating_add(size / 8).saturating_add(1);
        let parts: Vec<&str> = MarkdownSplitter::new(size).chunks(passage).collect();
        if parts.len() <= most {
            return if parts.len() < 2 { Vec::new() } else { parts };
        }
    }
}

/// Sections by Markdown's `#` headings. A heading without a text of its own opens the next section with it.
fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut current = Section { start: 0, end: 0, heading: None };
    let mut has_body = false;
    let mut fence: Option<&str> = None;
    let mut at: usize = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(mark) = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark)) {
            fence = match fence {
                Some(open) if open == mark => None,
                Some(open) => Some(open),
                None => Some(mark),
            };
        }
        match heading(trimmed).filter(|_| fence.is_none()) {
            Some((level, title)) => {
                if has_body {
                    sections
                        .push(std::mem::replace(&mut current, Section { start: at, end: at, heading: None }));
                    has_body = false;
                }
                path.retain(|(above, _)| *above < level);
                path.push((level, title));
                current.heading = Some(path_text(&path));
            }
            None => has_body |= !trimmed.is_empty(),
        }
        at = at.saturating_add(line.len());
        current.end = at;
    }
    sections.push(current);
    sections
}

/// The level and the text of an ATX heading.
fn heading(line: &str) -> Option<(usize, &str)> {
    let title = line.trim_start_matches('#');
    let level = line.len().saturating_sub(title.len());
    let spaced = title.starts_with([' ', '\t']);
    let title = title.trim().trim_end_matches('#').trim_end();
    ((1..=6).contains(&level) && spaced && !title.is_empty()).then_some((level, title))
}

fn path_text(path: &[(usize, &str)]) -> String {
    let full = path.iter().map(|(_, title)| *title).collect::<Vec<_>>().join(PATH_SEPARATOR);
    let extra = full.chars().count().saturating_sub(MAX_HEADING_CHARS);
    full.chars().skip(extra).collect()
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
