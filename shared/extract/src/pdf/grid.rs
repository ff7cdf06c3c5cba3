//! Rows of cells: tables, found by the gaps that go through all of their rows.

use super::order::{Block, Row};
use super::runs::TextRun;
use super::sorted;
use crate::table;

/// Runs of one row that stand this near, in sizes, are one cell.
const WORD_GAP: f64 = 1.0;

/// How far apart rows of a table may be, in sizes.
const ROW_GAP: f64 = 5.0;

/// What a block consists of.
#[derive(Debug, PartialEq)]
pub(super) enum PagePiece {
    Line(Line),
    /// Rows as they are shown: each one line.
    Table(Vec<String>),
}

/// A line of prose.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) y: f64,
    pub(super) size: f64,
    pub(super) bold: bool,
    pub(super) text: String,
}

#[derive(Debug, Clone)]
struct GridCell {
    left: f64,
    right: f64,
    bold: bool,
    text: String,
}

struct CellRow {
    y: f64,
    size: f64,
    cells: Vec<GridCell>,
}

pub(super) fn pieces(block: Block) -> Vec<PagePiece> {
    let rows: Vec<CellRow> = block.into_iter().filter_map(cells).collect();
    let mut pieces = Vec::new();
    let mut rest = rows.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let length = if first.cells.len() > 1 { table_length(rest) } else { 0 };
        if let Some((table, below)) = rest.split_at_checked(length).filter(|_| length > 1) {
            pieces.push(PagePiece::Table(lines_of(table)));
            rest = below;
        } else {
            pieces.push(PagePiece::Line(line(first)));
            rest = after;
        }
    }
    pieces
}

/// Joins what stands near each other.
fn cells(row: Row) -> Option<CellRow> {
    let mut cells: Vec<GridCell> = Vec::new();
    let (mut y, mut size) = (None, 0.0_f64);
    for run in row {
        let TextRun { left, right, bold, text, .. } = run;
        let step = size.max(run.size);
        if run.size > size {
            (y, size) = (Some(run.y), run.size);
        }
        let first = cells.len() == 1;
        match cells.last_mut() {
            // What stands before an item of a list belongs to it, however far.
            Some(last) if left - last.right < step * WORD_GAP || (first && is_marker(&last.text)) => {
                // What overlaps was not written in one go.
                if !(-0.5..=0.14).contains(&((left - last.right) / step.max(0.1))) {
                    last.text.push(' ');
                }
                last.text.push_str(&text);
                last.right = last.right.max(right);
                last.bold &= bold;
            }
            _ => cells.push(GridCell { left, right, bold, text }),
        }
    }
    Some(CellRow { y: y?, size, cells })
}

/// A bullet, or the number of an item.
fn is_marker(text: &str) -> bool {
    let mut characters = text.chars();
    match (characters.next(), characters.next_back()) {
        (Some(c), None) => super::prose::BULLETS.contains(&c),
        (Some(_), Some('.' | ')')) => {
            text.len() <= 8 && text.chars().filter(|c| c.is_alphanumeric()).count() <= 3
        }
        _ => false,
    }
}

fn line(row: &CellRow) -> Line {
    let texts: Vec<String> = row.cells.iter().map(|cell| without_leaders(&cell.text)).collect();
    Line {
        left: row.cells.iter().map(|cell| cell.left).fold(f64::MAX, f64::min),
        right: row.cells.iter().map(|cell| cell.right).fold(f64::MIN, f64::max),
        y: row.y,
        size: row.size,
        bold: row.cells.iter().all(|cell| cell.bold),
        text: texts.join(" | "),
    }
}

/// Dots that lead to the number of a page, as one sign.
fn without_leaders(text: &str) -> String {
    let mut shorter = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('.') {
        let (before, dotted) = rest.split_at(start);
        shorter.push_str(before);
        let after = dotted.trim_start_matches(['.', ' ']);
        let (run, _) = dotted.split_at(dotted.len().saturating_sub(after.len()));
        if run.matches('.').count() >= 5 {
            let is_open = shorter.is_empty() || shorter.ends_with(' ');
            shorter.push_str(if is_open { "… " } else { " … " });
        } else {
            shorter.push_str(run);
        }
        rest = after;
    }
    shorter.push_str(rest);
    shorter.trim_end().to_owned()
}

/// Columns so far: where each begins and ends.
type Columns = Vec<(f64, f64)>;

/// The columns with a row more; `None` when it closes all gaps but one column.
fn widened(columns: &Columns, row: &CellRow) -> Option<Columns> {
    let mut all: Columns = columns.clone();
    all.extend(row.cells.iter().map(|cell| (cell.left, cell.right)));
    sorted::by(&mut all, |one| one.0);
    let mut merged: Columns = Vec::new();
    for (left, right) in all {
        match merged.last_mut() {
            Some(last) if left < last.1 + row.size * 0.3 => last.1 = last.1.max(right),
            _ => merged.push((left, right)),
        }
    }
    // A row may join two columns, as a cell over both does, but a table of two has nothing to lose.
    let kept = merged.len() >= 2 && merged.len().saturating_add(1) >= columns.len();
    kept.then_some(merged)
}

/// How many rows from the first on are one table, 0 or more than 1.
fn table_length(rows: &[CellRow]) -> usize {
    let mut columns = Columns::new();
    let (mut length, mut full) = (0_usize, 0_usize);
    let mut above: Option<&CellRow> = None;
    for (index, row) in rows.iter().enumerate() {
        let step = above.map_or(row.size, |above| above.size.max(row.size));
        if above.is_some_and(|above| row.y - above.y > step * ROW_GAP || row.y < above.y) {
            break;
        }
        let Some(wider) = (if index == 0 {
            Some(row.cells.iter().map(|cell| (cell.left, cell.right)).collect())
        } else {
            widened(&columns, row)
        }) else {
            break;
        };
        if let [alone] = row.cells.as_slice() {
            // A line of a cell that has more of them than its neighbours. In the first column it may be prose after the table.
            let in_first = columns.first().is_some_and(|first| alone.left < first.1);
            let close = above.is_some_and(|above| row.y - above.y < step * 1.6);
            if in_first && (!close || alone.text.chars().count() > 60) {
                break;
            }
        } else {
            full = full.saturating_add(1);
            length = index.saturating_add(1);
        }
        // Also the rest of cells in the last row.
        if length > 0
            && row.cells.len() == 1
            && columns.first().is_some_and(|first| row.cells.iter().all(|cell| cell.left > first.1))
        {
            length = index.saturating_add(1);
        }
        columns = wider;
        above = Some(row);
    }
    if full < 2 { 0 } else { length }
}

fn lines_of(rows: &[CellRow]) -> Vec<String> {
    let columns = rows.iter().fold(Columns::new(), |columns, row| {
        widened(&columns, row).unwrap_or_else(|| {
            let own: Columns = row.cells.iter().map(|cell| (cell.left, cell.right)).collect();
            if columns.is_empty() { own } else { columns }
        })
    });
    let gaps: Vec<f64> =
        rows.windows(2).filter_map(|pair| if let [a, b] = pair { Some(b.y - a.y) } else { None }).collect();
    let least = gaps.iter().copied().fold(f64::MAX, f64::min);
    let most = gaps.iter().copied().fold(f64::MIN, f64::max);
    // Lines of one cell stand closer than rows do, where rows have more than one line.
    let is_spread = most > least * 1.3;
    let mut table: Vec<Vec<GridCell>> = Vec::new();
    let mut above: Option<&CellRow> = None;
    for row in rows {
        let placed = in_columns(row, &columns);
        let gap = above.map_or(f64::MAX, |above| row.y - above.y);
        let is_full = placed.iter().all(|cell| !cell.text.is_empty());
        let starts_empty = placed.first().is_some_and(|cell| cell.text.is_empty());
        // Cells may begin above the first one of their row, when that stands in the middle.
        let is_begun = table.last().and_then(|last| last.first()).is_some_and(|cell| cell.text.is_empty());
        let goes_on = (is_spread && gap < least * 1.15 && (!is_full || is_begun))
            || (starts_empty && gap < row.size * 1.6);
        match table.last_mut() {
            Some(last) if goes_on => {
                for (cell, more) in last.iter_mut().zip(placed) {
                    if !more.text.is_empty() {
                        join(&mut cell.text, &more.text);
                        cell.bold &= more.bold;
                    }
                }
            }
            _ => table.push(placed),
        }
        above = Some(row);
    }
    shown(&table)
}

/// Joins two lines of one text.
pub(super) fn join(text: &mut String, more: &str) {
    let trimmed = text.trim_end_matches(['-', '\u{2010}', '\u{AD}']);
    let is_hyphened = trimmed.len() < text.len() && trimmed.ends_with(char::is_alphanumeric);
    if is_hyphened && trimmed.ends_with(char::is_alphabetic) && more.starts_with(char::is_lowercase) {
        text.truncate(trimmed.len());
    } else if !(text.is_empty()
        || text.ends_with(' ')
        || is_hyphened && more.starts_with(char::is_alphanumeric))
    {
        // A number or a name that is broken at its own hyphen stays whole.
        text.push(' ');
    }
    text.push_str(more);
}

fn in_columns(row: &CellRow, columns: &Columns) -> Vec<GridCell> {
    let mut placed: Vec<GridCell> = columns
        .iter()
        .map(|(left, right)| GridCell { left: *left, right: *right, bold: true, text: String::new() })
        .collect();
    for cell in &row.cells {
        let column = columns.iter().rposition(|(left, _)| *left <= cell.left + 0.01).unwrap_or(0);
        if let Some(found) = placed.get_mut(column) {
            join(&mut found.text, &cell.text);
            found.bold &= cell.bold;
        }
    }
    placed
}

fn shown(table: &[Vec<GridCell>]) -> Vec<String> {
    let texts = |row: &Vec<GridCell>| -> Vec<String> { row.iter().map(|cell| cell.text.clone()).collect() };
    let is_bold = |row: &Vec<GridCell>| row.iter().all(|cell| cell.bold);
    let header = table.first().filter(|first| {
        let rest = table.get(1..).unwrap_or_default();
        is_bold(first)
            && rest.iter().filter(|row| is_bold(row)).count() == 0
            && !rest.is_empty()
            && table::is_header(&texts(first))
    });
    if let Some(header) = header {
        let mut names = table::ColumnNames::new(texts(header));
        let mut lines: Vec<String> = table.iter().skip(1).map(|row| names.row(&texts(row))).collect();
        lines.extend(Some(names.unsaid()).filter(|unsaid| !unsaid.is_empty()));
        return lines;
    }
    let row_text = |row: &Vec<GridCell>| {
        let cells: Vec<&str> =
            row.iter().map(|cell| cell.text.as_str()).filter(|text| !text.is_empty()).collect();
        cells.join(" | ")
    };
    table.iter().map(row_text).collect()
}
