//! Units of a passage that can be quoted: a sentence, a list item, a row.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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
    pub kind: Kind,
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
        } else if let Some(skip) = heading(trimmed) {
            Some(Some((Kind::Heading, skip)))
        } else if let Some(skip) = item(trimmed) {
            Some(Some((Kind::Item, skip)))
        } else if is_row(trimmed) {
            // The names of the columns answer nothing.
            Some((!above_rule(passage, at)).then_some((Kind::Item, 0)))
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
                        push(passage, Kind::Heading, range.clone(), range.start, number, &mut units);
                    } else {
                        sentences(passage, range, number, &mut units);
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
        sentences(passage, range, number, &mut units);
    }
    units
}

fn push(
    passage: &str,
    kind: Kind,
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

fn sentences(passage: &str, range: Range<usize>, paragraph: usize, units: &mut Vec<Unit>) {
    let text = passage.get(range.clone()).unwrap_or("");
    let mut begun: Option<usize> = None;
    for (at, sentence) in text.split_sentence_bound_indices() {
        let start = *begun.get_or_insert(at);
        let end = at.saturating_add(sentence.len());
        // A line break inside a paragraph is a border for UAX #29, but not for a reader.
        if end < text.len() && (!ends_sentence(sentence) || ends_with_abbreviation(sentence)) {
            continue;
        }
        begun = None;
        let whole = text.get(start..end).unwrap_or("");
        let from = range
            .start
            .saturating_add(start)
            .saturating_add(whole.len().saturating_sub(whole.trim_start().len()));
        push(passage, Kind::Sentence, from..from.saturating_add(whole.trim().len()), from, paragraph, units);
    }
}

fn ends_sentence(sentence: &str) -> bool {
    let end = sentence.trim_end().trim_end_matches(['"', '»', '”', ')', ']', '*', '_']);
    end.ends_with(['.', '!', '?', '…', '。', ':'])
}

fn ends_with_abbreviation(sentence: &str) -> bool {
    let Some(body) = sentence.trim_end().strip_suffix('.') else { return false };
    let word = body
        .rsplit(|letter: char| letter.is_whitespace() || letter == '(')
        .next()
        .unwrap_or("")
        .to_lowercase();
    ABBREVIATIONS.contains(&word.as_str())
}

/// How many bytes of a heading are its marker.
fn heading(line: &str) -> Option<usize> {
    let title = line.trim_start_matches('#');
    let level = line.len().saturating_sub(title.len());
    ((1..=6).contains(&level) && title.starts_with([' ', '\t']))
        .then(|| line.len().saturating_sub(title.trim_start().len()))
}

/// How many bytes of a list item are its marker: `- `, `* `, `• `, `1. `, `2) `.
fn item(line: &str) -> Option<usize> {
    let rest = line.strip_prefix(['-', '*', '+', '•', '–', '—']).or_else(|| {
        let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let number = line.len().saturating_sub(digits.len());
        (1..=3).contains(&number).then(|| digits.strip_prefix(['.', ')'])).flatten()
    })?;
    rest.starts_with([' ', '\t']).then(|| line.len().saturating_sub(rest.trim_start().len()))
}

/// A row of a Markdown table, or a row of a spreadsheet as text: `Name: Kettle; Price: 3990`.
fn is_row(line: &str) -> bool {
    (line.starts_with('|') && line.len() > 1) || is_field(line)
}

/// `header: value`, perhaps several of them on a line.
fn is_field(line: &str) -> bool {
    let fields = line.split("; ").filter(|field| {
        field.split_once(": ").is_some_and(|(name, value)| {
            !value.is_empty() && name.chars().count() <= 40 && !name.contains(['.', '!', '?'])
        })
    });
    let whole = line.split("; ").count();
    let found = fields.count();
    found > 0 && found == whole && !line.ends_with(['.', '!', '?'])
}

/// `---`, `|---|:--:|`, `***`, a code fence: no text.
fn is_rule(line: &str) -> bool {
    line.starts_with("```")
        || line.starts_with("~~~")
        || line.chars().all(|letter| "|-:*_= ".contains(letter))
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
