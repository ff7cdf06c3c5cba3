//! Units of a passage that can be quoted: a sentence, a list item, a row.

use std::ops::Range;

use crate::text::line::{heading, is_row, is_rule, item};
use crate::text::sentence::sentences;

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// A Markdown heading.
    Heading,
    /// A list item or a row of a table.
    Item,
    /// A sentence of running text.
    Sentence,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What it is.
    pub kind: UnitKind,
    /// Where it stands, without list markers and white space around it. Never empty.
    pub range: Range<usize>,
    /// Where its line's marker stands.
    pub marker: usize,
    /// Units of one paragraph have one number.
    pub paragraph: usize,
    /// Whether it ends with a colon, so that a list follows.
    pub opens_list: bool,
}

impl Unit {
    /// Its text.
    pub fn text<'a>(&self, passage: &'a str) -> &'a str {
        passage.get(self.range.clone()).unwrap_or("")
    }
}

/// The units of a passage, in order.
pub fn units(passage: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut paragraph: Option<Range<usize>> = None;
    let mut number: usize = 0;
    let mut at: usize = 0;
    for line in passage.split_inclusive('\n') {
        let start = at;
        at = at.saturating_add(line.len());
        let trimmed = line.trim();
        let from = start.saturating_add(line.len().saturating_sub(line.trim_start().len()));
        let whole = from..from.saturating_add(trimmed.len());
        let special = if trimmed.is_empty() || is_rule(trimmed) {
            Some(None)
        } else if let Some((_, skip)) = heading(trimmed) {
            Some(Some((UnitKind::Heading, skip)))
        } else if let Some(skip) = item(trimmed) {
            Some(Some((UnitKind::Item, skip)))
        } else if is_row(trimmed) {
            // The names of the columns answer nothing.
            Some((!above_rule(passage, at)).then_some((UnitKind::Item, 0)))
        } else {
            None
        };
        match special {
            None => {
                let begun = paragraph.take().map_or(whole.start, |range| range.start);
                paragraph = Some(begun..whole.end);
            }
            Some(unit) => {
                if let Some(range) = paragraph.take() {
                    if trimmed.is_empty() && is_title(passage, &range) {
                        push(passage, UnitKind::Heading, range.clone(), range.start, number, &mut units);
                    } else {
                        push_sentences(passage, range, number, &mut units);
                    }
                }
                number = number.saturating_add(1);
                if let Some((kind, skip)) = unit {
                    push(
                        passage,
                        kind,
                        whole.start.saturating_add(skip)..whole.end,
                        whole.start,
                        number,
                        &mut units,
                    );
                }
            }
        }
    }
    if let Some(range) = paragraph {
        push_sentences(passage, range, number, &mut units);
    }
    units
}

fn push(
    passage: &str,
    kind: UnitKind,
    range: Range<usize>,
    marker: usize,
    paragraph: usize,
    units: &mut Vec<Unit>,
) {
    let text = passage.get(range.clone()).unwrap_or("");
    if text.chars().any(char::is_alphanumeric) {
        units.push(Unit { kind, opens_list: text.ends_with(':'), range, marker, paragraph });
    }
}

/// A short line of its own that ends like no sentence: what plain text has for a heading.
fn is_title(passage: &str, range: &Range<usize>) -> bool {
    const LONGEST: usize = 80;
    let text = passage.get(range.clone()).unwrap_or("");
    !text.contains('\n')
        && text.chars().count() <= LONGEST
        && !text.ends_with(['.', '!', '?', '…', ':', ';', ','])
}

fn push_sentences(passage: &str, range: Range<usize>, paragraph: usize, units: &mut Vec<Unit>) {
    let text = passage.get(range.clone()).unwrap_or("");
    for sentence in sentences(text) {
        let at = |place: usize| range.start.saturating_add(place);
        let whole = at(sentence.start)..at(sentence.end);
        push(passage, UnitKind::Sentence, whole.clone(), whole.start, paragraph, units);
    }
}

/// Whether a table's `|---|` stands at a place: the row above it holds the names of the columns.
fn above_rule(passage: &str, at: usize) -> bool {
    let next = passage.get(at..).and_then(|rest| rest.lines().next()).unwrap_or("").trim();
    next.starts_with('|') && is_rule(next)
}

/// A part of a passage as it is shown in an answer: table rows as `header: value`, without Markdown's emphasis.
pub fn shown(passage: &str, range: &Range<usize>) -> String {
    let text = passage.get(range.clone()).unwrap_or("");
    let lines: Vec<String> = text
        .lines()
        .filter(|line| !is_rule(line.trim()) || line.trim().is_empty())
        .map(|line| {
            if line.trim_start().starts_with('|') {
                row(line, header(passage, range.start))
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n").replace("**", "").replace("__", "").replace('`', "")
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim().trim_matches('|').split('|').map(str::trim)
}

/// The first row of the table that stands above a place.
fn header(passage: &str, at: usize) -> Option<&str> {
    let above: Vec<&str> = passage.get(..at)?.lines().collect();
    let rule = above.iter().rposition(|line| line.trim().starts_with('|') && is_rule(line.trim()))?;
    above.get(rule.checked_sub(1)?).copied().filter(|line| line.trim().starts_with('|'))
}

fn row(line: &str, header: Option<&str>) -> String {
    let names: Vec<&str> = header.map(|header| cells(header).collect()).unwrap_or_default();
    let fields =
        cells(line).enumerate().filter(|(_, cell)| !cell.is_empty()).map(|(column, cell)| {
            match names.get(column).filter(|name| !name.is_empty()) {
                Some(name) => format!("{name}: {cell}"),
                None => cell.to_owned(),
            }
        });
    fields.collect::<Vec<_>>().join("; ")
}
