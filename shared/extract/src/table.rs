//! Tables as lines of `header: value`, so that each row can be found and quoted by itself.

use frontdesk_ports::ExtractFailure;

use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText, as_u64, over, unreadable};

/// How many records decide about the delimiter, and how many bytes.
const SAMPLE_RECORDS: usize = 200;
const SAMPLE_BYTES: usize = 256 << 10;

/// More columns is no table that a person reads.
const MAX_COLUMNS: usize = 1000;

/// `Name: Kettle; Price: 3990 ₽`, or the cells alone where there is no header.
pub(crate) fn row_line(header: Option<&[String]>, cells: &[String]) -> String {
    let mut parts = Vec::new();
    for (column, cell) in cells.iter().enumerate() {
        let cell = squeeze(cell);
        if cell.is_empty() {
            continue;
        }
        let name = header.and_then(|names| names.get(column)).map_or("", String::as_str);
        parts.push(if name.is_empty() || name == cell { cell } else { format!("{name}: {cell}") });
    }
    parts.join("; ")
}

/// Whether a first row reads like names of columns.
pub(crate) fn is_header(cells: &[String]) -> bool {
    cells.len() >= 2
        && cells.iter().all(|cell| !cell.trim().is_empty() && cell.chars().count() <= 60)
        && cells.iter().all(|cell| !cell.trim().ends_with('.') && cell.parse::<f64>().is_err())
}

/// The delimiter, when the text is a table: every record has the same number of fields, at least two, and the first
/// row names the columns. Prose with commas is none.
pub(crate) fn delimiter(text: &str) -> Option<u8> {
    [b';', b'\t', b',', b'|'].into_iter().find(|delimiter| is_table(text, *delimiter))
}

fn is_table(text: &str, delimiter: u8) -> bool {
    let Some(first) = sample(text).lines().next() else { return false };
    let separator = char::from(delimiter);
    // "Hello, world" is a greeting; "name,price" is a header.
    if delimiter == b',' && first.matches(", ").count() == first.matches(separator).count() {
        return false;
    }
    let sample = sample(text);
    // A record is as long as its line, unless it has line ends in quotes: what the end of the sample cuts counts for nothing.
    let is_cut = sample.len() < text.len();
    let mut reader = reader(sample, delimiter, false);
    let mut rows = 0_usize;
    for (index, record) in reader.records().take(SAMPLE_RECORDS).enumerate() {
        let Ok(record) = record else { return is_cut && rows >= 1 };
        if record.len() < 2 || record.len() > MAX_COLUMNS {
            return false;
        }
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if index == 0 && !is_header(&cells) {
            return false;
        }
        rows = index;
    }
    rows >= 1
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
    let Some(delimiter) = delimiter(text) else { return Err(unreadable("the table cannot be read")) };
    let mut writer = Writer::new(limits);
    let mut header: Option<Vec<String>> = None;
    for record in reader(text, delimiter, true).records() {
        let record = record.map_err(|error| unreadable(format!("the table cannot be read: {error}")))?;
        if record.len() > MAX_COLUMNS {
            return Err(over("columns of the table", as_u64(MAX_COLUMNS)));
        }
        let cells: Vec<String> = record.iter().map(squeeze).collect();
        match &header {
            None => header = Some(cells),
            Some(names) => writer.block_after("\n", "", &row_line(Some(names), &cells))?,
        }
    }
    Ok(ReadText { title: None, text: writer.finish(), ..ReadText::default() })
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
