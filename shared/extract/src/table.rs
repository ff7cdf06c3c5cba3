//! Tables as lines of `header: value`, so that each row can be found and quoted by itself.

use std::collections::HashSet;

use frontdesk_domain::document::reasons;
use frontdesk_ports::ExtractFailure;

use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText, as_u64, over, unreadable};

/// How many records decide about the delimiter, and how many bytes.
const SAMPLE_RECORDS: usize = 200;
const SAMPLE_BYTES: usize = 256 << 10;

/// More columns is no table that a person reads.
const MAX_COLUMNS: usize = 1000;

/// The names of a table's columns, where it has any.
#[derive(Debug, Default)]
pub(crate) struct ColumnNames {
    names: Vec<String>,
    /// By column: whether a row had something in it.
    filled: Vec<bool>,
}

impl ColumnNames {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self { filled: vec![false; names.len()], names }
    }

    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// `Name: Kettle; Price: 3990 ₽`, or the cells alone where there are no names.
    pub(crate) fn row(&mut self, cells: &[String]) -> String {
        let mut parts = Vec::new();
        for (column, cell) in cells.iter().enumerate() {
            let cell = squeeze(cell);
            if cell.is_empty() {
                continue;
            }
            if let Some(filled) = self.filled.get_mut(column) {
                *filled = true;
            }
            let name = self.names.get(column).map_or("", String::as_str);
            parts.push(if name.is_empty() || name == cell { cell } else { format!("{name}: {cell}") });
        }
        parts.join("; ")
    }

    /// The names that stand above nothing, as in a form that is to be filled in: no row has told them.
    pub(crate) fn unsaid(&self) -> String {
        let of = |filled: bool| {
            self.names.iter().zip(&self.filled).filter(move |(_, is)| **is == filled).map(|(name, _)| name)
        };
        let mut told: HashSet<&String> = of(true).collect();
        let unsaid: Vec<&str> =
            of(false).filter(|name| !name.is_empty() && told.insert(name)).map(String::as_str).collect();
        unsaid.join("; ")
    }
}

/// A row of a table without names.
pub(crate) fn row_line(cells: &[String]) -> String {
    ColumnNames::default().row(cells)
}

/// Whether a first row reads like names of columns.
pub(crate) fn is_header(cells: &[String]) -> bool {
    let years = || {
        cells.iter().skip(1).all(|cell| is_year(cell)) && cells.first().is_some_and(|cell| !is_number(cell))
    };
    cells.len() >= 2
        // The corner of a table may be empty.
        && cells.iter().skip(1).all(|cell| !cell.trim().is_empty())
        && cells.iter().all(|cell| cell.chars().count() <= 200)
        && (cells.iter().all(|cell| !is_number(cell)) || years())
}

/// Whether the first of the rows names the columns of the others. Where nothing tells it, it does not: a table of names
/// and values is no less one without names of columns.
pub(crate) fn has_header(rows: &[Vec<String>]) -> bool {
    let Some((first, rest)) = rows.split_first() else { return false };
    if rest.is_empty() || !is_header(first) {
        return false;
    }
    let column = |index: usize| {
        rest.iter().filter_map(move |row| row.get(index)).filter(|cell| !cell.trim().is_empty())
    };
    let share = |index: usize, is: fn(&str) -> bool| {
        let (all, such) = column(index).fold((0_usize, 0_usize), |(all, such), cell| {
            (all.saturating_add(1), such.saturating_add(usize::from(is(cell))))
        });
        all > 0 && such.saturating_mul(10) >= all.saturating_mul(7)
    };
    // Numbers under a name, a name that is a year included.
    let named = first
        .iter()
        .enumerate()
        .any(|(index, name)| share(index, is_number) && (!has_number(name) || is_year(name)));
    if named {
        return true;
    }
    let is_name = |cell: &String| {
        cell.chars().count() <= 40 && !cell.ends_with(['?', '!', '.', ':']) && !has_number(cell)
    };
    if !first.iter().all(is_name) {
        return false;
    }
    if (0..first.len()).any(|index| share(index, has_number)) {
        return true;
    }
    let length = |cell: &str| cell.chars().count();
    let longer = first.iter().enumerate().any(|(index, name)| {
        let (all, sum) = column(index).fold((0_usize, 0_usize), |(all, sum), cell| {
            (all.saturating_add(1), sum.saturating_add(length(cell)))
        });
        all > 0 && sum > all.saturating_mul(length(name)).saturating_mul(2)
    });
    longer || first.len() >= 3
}

fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    !cell.is_empty()
        && cell.chars().any(|c| c.is_ascii_digit())
        && cell.chars().all(|c| {
            c.is_ascii_digit()
                || matches!(c, '.' | ',' | ' ' | '\u{A0}' | '+' | '-' | '−' | '%' | '₽' | '$' | '€')
        })
}

fn has_number(cell: &str) -> bool {
    cell.chars().any(|c| c.is_ascii_digit())
}

fn is_year(cell: &str) -> bool {
    cell.trim().parse::<u16>().is_ok_and(|year| (1900..=2100).contains(&year))
}

/// The delimiter, when the text is a table: records of mostly the same number of fields, at least two. Prose with commas
/// or semicolons is none, nor is a menu: those have a space after the sign.
pub(crate) fn delimiter(text: &str) -> Option<u8> {
    if let Some((delimiter, _)) = declared(text) {
        return Some(delimiter);
    }
    [b';', b'\t', b',', b'|'].into_iter().find(|delimiter| is_table(text, *delimiter))
}

/// `sep=;` in the first line, and the text after it.
fn declared(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let sign = first.trim().trim_matches('"').strip_prefix("sep=")?;
    match sign.as_bytes() {
        [delimiter @ (b';' | b',' | b'|' | b'\t')] => Some((*delimiter, rest)),
        _ => None,
    }
}

fn is_table(text: &str, delimiter: u8) -> bool {
    let sample = sample(text);
    // A record is as long as its line, unless it has line ends in quotes: what the end of the sample cuts counts for nothing.
    let is_cut = sample.len() < text.len();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for record in reader(sample, delimiter, true).records().take(SAMPLE_RECORDS) {
        match record {
            Ok(record) if record.len() > MAX_COLUMNS => return false,
            Ok(record) => rows.push(record.iter().map(str::to_owned).collect()),
            Err(_) if is_cut => break,
            Err(_) => return false,
        }
    }
    let rows = without_title(&rows).1;
    let Some(width) = rows.first().map(Vec::len).filter(|width| *width >= 2) else { return false };
    if rows.len() < 2 {
        return false;
    }
    let even = rows.iter().filter(|row| row.len() == width).count();
    if even.saturating_mul(10) < rows.len().saturating_mul(6)
        || rows.iter().filter(|row| row.len() < 2).count().saturating_mul(10) > rows.len()
    {
        return false;
    }
    let (signs, spaced, decimal) = signs(sample, delimiter);
    if decimal.saturating_mul(2) > signs {
        return false;
    }
    let is_tight = spaced.saturating_mul(5) <= signs;
    // With spaces it takes names over numbers to be a table.
    let has_numbers = || {
        has_header(rows)
            && (0..width).any(|column| {
                rows.iter().skip(1).all(|row| row.get(column).is_some_and(|cell| is_number(cell)))
            })
    };
    (is_tight || (width >= 3 && has_numbers()))
        && rows.iter().take(20).any(|row| row.iter().filter(|cell| !cell.is_empty()).count() >= 2)
}

/// How often the sign stands in a text, how often with a space after it, and how often between digits.
fn signs(text: &str, delimiter: u8) -> (usize, usize, usize) {
    let (mut all, mut spaced, mut decimal) = (0_usize, 0_usize, 0_usize);
    let mut quoted = false;
    for around in text.as_bytes().windows(3) {
        let [before, sign, after] = around else { continue };
        quoted ^= *sign == b'"';
        if *sign == delimiter && !quoted {
            all = all.saturating_add(1);
            spaced = spaced.saturating_add(usize::from(*after == b' '));
            let both = before.is_ascii_digit() && after.is_ascii_digit() && delimiter == b',';
            decimal = decimal.saturating_add(usize::from(both));
        }
    }
    (all, spaced, decimal)
}

/// A first row of one cell is the table's title.
fn without_title(rows: &[Vec<String>]) -> (Option<&str>, &[Vec<String>]) {
    match rows {
        [first, rest @ ..] if first.len() > 1 || rest.first().is_some_and(|second| second.len() > 1) => {
            let mut filled = first.iter().filter(|cell| !cell.trim().is_empty());
            match (filled.next(), filled.next()) {
                (Some(title), None) if first.first() == Some(title) && !rest.is_empty() => {
                    (Some(title), rest)
                }
                _ => (None, rows),
            }
        }
        _ => (None, rows),
    }
}

/// The beginning of a text, with whole lines unless the first one is longer.
fn sample(text: &str) -> &str {
    let head = text.get(..text.floor_char_boundary(SAMPLE_BYTES)).unwrap_or(text);
    if head.len() == text.len() {
        return text;
    }
    head.rfind('\n').and_then(|end| head.get(..=end)).unwrap_or(head)
}

fn reader(text: &str, delimiter: u8, flexible: bool) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(flexible)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

pub(crate) fn read_csv(text: &str, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let Some(delimiter) = delimiter(text) else { return Err(unreadable(reasons::BAD_TABLE)) };
    let text = declared(text).map_or(text, |(_, rest)| rest);
    let mut records = reader(text, delimiter, true).into_records();
    let mut next = || -> Result<Option<Vec<String>>, ExtractFailure> {
        let Some(record) = records.next() else { return Ok(None) };
        let record = record.map_err(|_| unreadable(reasons::BAD_TABLE))?;
        if record.len() > MAX_COLUMNS {
            return Err(over("columns of the table", as_u64(MAX_COLUMNS)));
        }
        Ok(Some(record.iter().map(squeeze).collect()))
    };
    let mut first: Vec<Vec<String>> = Vec::new();
    while first.len() < SAMPLE_RECORDS
        && let Some(row) = next()?
    {
        first.push(row);
    }
    let (title, rows) = without_title(&first);
    let (mut names, rows) = match rows.split_first() {
        Some((header, rest)) if has_header(rows) => (ColumnNames::new(header.clone()), rest),
        _ => (ColumnNames::default(), rows),
    };
    let mut writer = Writer::new(limits);
    if let Some(title) = title {
        writer.block("# ", title)?;
    }
    for (index, row) in rows.iter().enumerate() {
        writer.block_after(if index == 0 { "\n\n" } else { "\n" }, "", &names.row(row))?;
    }
    while let Some(row) = next()? {
        writer.block_after("\n", "", &names.row(&row))?;
    }
    writer.block_after("\n", "", &names.unsaid())?;
    Ok(ReadText { title: title.map(str::to_owned), text: writer.finish(), ..ReadText::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_with_commas_is_no_table() {
        assert_eq!(delimiter("Hello, world\nBye, world\n"), None);
        assert_eq!(delimiter("One line, with commas, and more."), None);
        assert_eq!(delimiter("name,price\ntea,5\ncup,7\n"), Some(b','));
        assert_eq!(delimiter("Товар;Цена\nЧай;\"5;0\"\n"), Some(b';'));
        assert_eq!(delimiter("a,b\n1,2,3\n"), None);
        assert_eq!(delimiter("Q: when; where\nOpen daily; Moscow\nClosed on holidays; Kazan\n"), None);
        assert_eq!(delimiter("Home | About us\nContacts | Delivery\n"), None);
        assert_eq!(delimiter("1,5 kg of tea\n2,3 kg of coffee\n"), None);
        assert_eq!(delimiter("Item, Price, Note\nKettle, 3990, steel\nMug, 500, blue\n"), Some(b','));
        assert_eq!(delimiter("sep=;\nItem;Price\n"), Some(b';'));
        assert_eq!(delimiter("Item,Price\nKettle,3990\nMug,500,extra\nPan,700\n"), Some(b','));
    }

    fn read(text: &str) -> String {
        read_csv(text, &Limits::default()).unwrap().text
    }

    #[test]
    fn columns_have_the_names_that_the_file_gives_and_no_others() {
        assert_eq!(read("Product,2024,2025\nKettle,10,20\n"), "Product: Kettle; 2024: 10; 2025: 20");
        assert_eq!(read("Item,No.,Price\nKettle,1,3990\n"), "Item: Kettle; No.: 1; Price: 3990");
        assert_eq!(read(",Price,Note\nKettle,3990,steel\n"), "Kettle; Price: 3990; Note: steel");
        assert_eq!(
            read("Price list 2026,,\nItem,Price,Note\nKettle,3990,steel\n"),
            "# Price list 2026\n\nItem: Kettle; Price: 3990; Note: steel"
        );
        assert_eq!(read("sep=;\nItem;Price\nMug;500\n"), "Item: Mug; Price: 500");
        assert_eq!(
            read("Item,Price\nMug,500,extra\nPan,700\nCup,90\n"),
            "Item: Mug; Price: 500; extra\nItem: Pan; Price: 700\nItem: Cup; Price: 90"
        );
        assert_eq!(
            read("How do I order?,By the site\nWhat is delivery?,300 roubles\n"),
            "How do I order?; By the site\nWhat is delivery?; 300 roubles"
        );
        assert_eq!(
            read("Item,Price,Colour,Note,Note\nMug,500,,,blue\nPan,700,,,\n"),
            "Item: Mug; Price: 500; Note: blue\nItem: Pan; Price: 700\nColour"
        );
        let long = "How many roubles does it cost including all taxes, delivery and the packaging?";
        assert_eq!(read(&format!("Item,\"{long}\"\nKettle,3990\n")), format!("Item: Kettle; {long}: 3990"));
    }

    #[test]
    fn the_beginning_of_a_long_table_tells_it() {
        let long = format!("name;price\n{}", "tea;5\n".repeat(200_000));
        assert_eq!(delimiter(&long), Some(b';'));
        assert_eq!(delimiter(&"a;".repeat(1 << 20)), None);
        assert_eq!(
            delimiter(&format!("{}\n", "a;b\n".repeat(10)).replacen("a;b", &"a;".repeat(2000), 1)),
            None
        );
    }
}
