//! Lines become paragraphs, items of lists and headings.

use std::collections::BTreeMap;

use frontdesk_ports::ExtractFailure;

use super::grid::{Line, PagePiece, join};
use crate::Limits;
use crate::text::Writer;

/// What items of lists begin with.
pub(super) const BULLETS: [char; 10] = ['•', '–', '—', '-', '▪', '●', '◦', '■', '○', '‣'];

/// Lines of one paragraph are at most this far apart, in sizes.
const LINE_STEP: f64 = 1.75;

/// The longest heading, in characters.
const MAX_HEADING: usize = 150;

/// The longest line that is a heading for being bold, in characters.
const MAX_BOLD_HEADING: usize = 90;

/// A page: its blocks, each of which consists of lines and tables.
pub(super) type PageText = Vec<Vec<PagePiece>>;

/// Quarters of a point.
#[expect(clippy::cast_possible_truncation, reason = "a font size; saturates")]
fn rounded(size: f64) -> i64 {
    (size * 4.0).round() as i64
}

fn lines(pages: &[PageText]) -> impl Iterator<Item = &Line> {
    pages.iter().flatten().flatten().filter_map(|piece| match piece {
        PagePiece::Line(line) => Some(line),
        PagePiece::Table(_) => None,
    })
}

/// Up to three sizes that are clearly larger than the one that most characters have, largest first, in quarters of a
/// point.
pub(super) fn heading_sizes(pages: &[PageText]) -> Vec<i64> {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for line in lines(pages) {
        let count = counts.entry(rounded(line.size)).or_default();
        *count = count.saturating_add(line.text.len());
    }
    let body = counts.iter().max_by_key(|(_, count)| **count).map_or(0, |(size, _)| *size);
    let is_larger = |size: &i64| size.saturating_mul(100) >= body.saturating_mul(115);
    counts.into_keys().rev().filter(is_larger).take(3).collect()
}

/// The pages as Markdown, with a rule between them.
pub(super) fn markdown(
    pages: &[PageText],
    headings: &[i64],
    limits: &Limits,
) -> Result<String, ExtractFailure> {
    let mut writer = Writer::new(limits);
    let written: Vec<&PageText> =
        pages.iter().filter(|page| page.iter().any(|block| !block.is_empty())).collect();
    for (index, page) in written.into_iter().enumerate() {
        if index > 0 {
            writer.block("", "---")?;
        }
        for block in page {
            write_block(block, headings, &mut writer)?;
        }
    }
    Ok(writer.finish())
}

fn write_block(block: &[PagePiece], headings: &[i64], writer: &mut Writer) -> Result<(), ExtractFailure> {
    let edge = right_edge(block);
    let mut paragraph = Paragraph::default();
    for (index, piece) in block.iter().enumerate() {
        match piece {
            PagePiece::Table(rows) => {
                paragraph.end(writer)?;
                writer.block("", &rows.join("\n"))?;
            }
            PagePiece::Line(line) => {
                let next = block.get(index.saturating_add(1));
                let level = heading_level(line, next, paragraph.last.as_ref(), headings);
                paragraph.add(line, level, edge, writer)?;
            }
        }
    }
    paragraph.end(writer)
}

/// Where most lines of prose end.
fn right_edge(block: &[PagePiece]) -> (f64, f64) {
    let lines =
        || block.iter().filter_map(|piece| if let PagePiece::Line(line) = piece { Some(line) } else { None });
    let left = lines().map(|line| line.left).fold(f64::MAX, f64::min);
    (left, lines().map(|line| line.right).fold(f64::MIN, f64::max))
}

fn heading_level(
    line: &Line,
    next: Option<&PagePiece>,
    before: Option<&Line>,
    headings: &[i64],
) -> Option<usize> {
    let characters = line.text.chars().count();
    if !line.text.chars().any(char::is_alphabetic) {
        return None;
    }
    if let Some(level) = headings.iter().position(|size| *size == rounded(line.size)) {
        return (characters <= MAX_HEADING).then(|| level.saturating_add(1));
    }
    let ends = line.text.ends_with(['.', ',', ';', '!', '-']) || line.text.contains(" | ");
    if !line.bold || ends || characters > MAX_BOLD_HEADING {
        return None;
    }
    // Bold alone says so where what follows is not bold, and nothing runs on into it.
    let stands_out = match next {
        Some(PagePiece::Line(next)) => !next.bold,
        Some(PagePiece::Table(_)) => true,
        None => false,
    };
    let is_begun = before.is_some_and(|before| before.bold || line.y - before.y < line.size * 1.3);
    (stands_out && !is_begun).then(|| headings.len().min(3).saturating_add(1))
}

/// A paragraph, or a heading, in the making.
#[derive(Default)]
struct Paragraph {
    text: String,
    level: Option<usize>,
    last: Option<Line>,
    /// Whether its last lines are an item of a list.
    in_item: bool,
}

impl Paragraph {
    fn end(&mut self, writer: &mut Writer) -> Result<(), ExtractFailure> {
        let text = std::mem::take(&mut self.text);
        self.last = None;
        match self.level.take() {
            Some(level) => writer.block(&format!("{} ", "#".repeat(level)), &text),
            None => writer.block("", &text),
        }
    }

    fn add(
        &mut self,
        line: &Line,
        level: Option<usize>,
        (left, right): (f64, f64),
        writer: &mut Writer,
    ) -> Result<(), ExtractFailure> {
        let goes_on = self.last.as_ref().is_some_and(|last| {
            self.level == level
                && rounded(last.size) == rounded(line.size)
                && (line.y - last.y).abs() < line.size.max(1.0) * LINE_STEP
        });
        if !goes_on {
            self.end(writer)?;
        }
        let (is_item, text) = item(&line.text);
        let is_full = self.last.as_ref().is_some_and(|last| is_full(last, line, left, right));
        // A dash between two parts of a sentence may come to stand first in a line.
        let is_dash = line.text.starts_with(['-', '–', '—']) && is_full && !self.in_item;
        let (is_item, text) = if is_dash { (false, line.text.clone()) } else { (is_item, text) };
        if self.text.is_empty() || level.is_some() {
            join(&mut self.text, &text);
            self.in_item = is_item;
        } else {
            let is_cut = self.text.ends_with(['-', '\u{2010}', '\u{AD}']);
            if (is_full || is_cut) && !is_item {
                join(&mut self.text, &text);
            } else {
                self.text.push('\n');
                self.text.push_str(&text);
                self.in_item = is_item;
            }
        }
        self.level = level;
        self.last = Some(line.clone());
        Ok(())
    }
}

/// Whether a line was broken where its block ends, and not by who wrote it: then the first word of the next one had no room.
fn is_full(line: &Line, next: &Line, left: f64, right: f64) -> bool {
    if line.text.contains(" … ") {
        return false;
    }
    let characters = |text: &str| u32::try_from(text.chars().count()).map_or(1.0, f64::from).max(1.0);
    let word = next.text.split(' ').next().unwrap_or_default();
    let room = (next.right - next.left) / characters(&next.text) * (characters(word) + 1.0);
    let slack = ((right - left) * 0.12).max(line.size * 4.0);
    line.right > right - slack.max(room)
}

/// Whether a line begins an item of a list, and how it is written then.
fn item(text: &str) -> (bool, String) {
    let after = text.trim_start_matches(BULLETS);
    if after.len() < text.len()
        && (after.starts_with(' ') || !text.starts_with(['-', '–', '—']))
        && !after.trim().is_empty()
    {
        return (true, format!("- {}", after.trim_start()));
    }
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let numbered = (1..=3).contains(&digits)
        && matches!(text.get(digits..), Some(rest) if rest.starts_with(". ") || rest.starts_with(") "));
    (numbered, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, right: f64, y: f64, size: f64) -> PagePiece {
        PagePiece::Line(Line { left: 0.0, right, y, size, bold: false, text: text.to_owned() })
    }

    fn read(block: Vec<PagePiece>) -> String {
        let pages = [vec![block]];
        markdown(&pages, &heading_sizes(&pages), &Limits::default()).unwrap()
    }

    #[test]
    fn broken_lines_are_joined_and_ended_ones_are_not() {
        let text = read(vec![
            line("The internation-", 300.0, 0.0, 10.0),
            line("alisation department answers", 300.0, 12.0, 10.0),
            line("every letter.", 90.0, 24.0, 10.0),
            line("Lemur street 5", 90.0, 36.0, 10.0),
            line("• Kettles", 90.0, 48.0, 10.0),
        ]);
        assert_eq!(
            text,
            "The internationalisation department answers every letter.\nLemur street 5\n- Kettles"
        );
    }

    #[test]
    fn numbers_that_are_broken_at_their_hyphens_are_whole() {
        let text =
            read(vec![line("Call +7 495 123-45-", 300.0, 0.0, 10.0), line("67 or write.", 90.0, 12.0, 10.0)]);
        assert_eq!(text, "Call +7 495 123-45-67 or write.");
    }

    #[test]
    fn a_dash_within_a_sentence_is_no_item() {
        let text = read(vec![
            line("The day of purchase", 300.0, 0.0, 10.0),
            line("— that of the receipt.", 110.0, 12.0, 10.0),
        ]);
        assert_eq!(text, "The day of purchase — that of the receipt.");
        let items = read(vec![
            line("We sell:", 40.0, 0.0, 10.0),
            line("— kettles", 50.0, 12.0, 10.0),
            line("— the cups that go with them, too", 200.0, 24.0, 10.0),
        ]);
        assert_eq!(items, "We sell:\n- kettles\n- the cups that go with them, too");
    }

    #[test]
    fn larger_lines_are_headings() {
        let text = read(vec![
            line("Kettle K-17", 100.0, 0.0, 20.0),
            line("It boils water for tea, and does so within three minutes.", 300.0, 40.0, 10.0),
        ]);
        assert_eq!(text, "# Kettle K-17\n\nIt boils water for tea, and does so within three minutes.");
    }
}
