//! HTML to Markdown from the token stream alone: one pass, no tree, so neither depth nor unclosed tags cost anything.

use std::cell::RefCell;

use frontdesk_ports::ExtractFailure;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::table::{ColumnNames, is_header, row_line};
use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText};

/// The longest run outside quotes within one tag. The tokenizer compares each attribute with all before it, so a tag that
/// never ends would cost the square of its length; it is closed here instead.
const MAX_TAG_BYTES: usize = 16 * 1024;

/// Elements whose content is not for readers.
const SKIPPED: [&str; 11] = [
    "script",
    "style",
    "template",
    "svg",
    "iframe",
    "nav",
    "canvas",
    "audio",
    "video",
    "annotation",
    "annotation-xml",
];

/// Elements that begin and end a block.
const BLOCKS: [&str; 35] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "footer",
    "aside",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "figure",
    "figcaption",
    "address",
    "form",
    "fieldset",
    "legend",
    "details",
    "summary",
    "body",
    "html",
    "pre",
    "hr",
    "center",
    "caption",
    "select",
    "optgroup",
    "option",
    "noscript",
    "object",
    "dialog",
    "label",
    "textarea",
    "menu",
];

/// Elements without an end.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// Parts of formulas that stand apart.
const FORMULA: [&str; 6] = ["mi", "mn", "mo", "mtext", "ms", "mfrac"];

/// The most columns and rows that a cell may span.
const MAX_COLUMNS: usize = 100;
const MAX_ROWS: usize = 1000;

pub(crate) fn read(decoded: &str, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let mut kept: Vec<String> = Vec::new();
    loop {
        let (page, unclosed) = tokenize(decoded, limits, &kept)?;
        // What is skipped and never closed would take the rest of the page with it; then it is read, too.
        match unclosed {
            Some(name) if kept.len() < SKIPPED.len() && !kept.contains(&name) => kept.push(name),
            // A page that is all navigation has no other text.
            _ if page.text.trim().is_empty() && !kept.iter().any(|name| name == "nav") => {
                kept.push("nav".to_owned());
            }
            _ => return Ok(page),
        }
    }
}

/// Elements that are hidden count as one more kind of what is skipped.
const HIDDEN: &str = "hidden";

fn tokenize(
    decoded: &str,
    limits: &Limits,
    kept: &[String],
) -> Result<(ReadText, Option<String>), ExtractFailure> {
    let sink = Sink(RefCell::new(HtmlPage::new(limits, kept, is_xhtml(decoded))));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    let mut rest = decoded;
    loop {
        let (piece, after) = up_to_endless_tag(rest);
        // In pieces, so that a page over the limit of text stops early.
        for chunk in pieces(piece, 64 * 1024) {
            input.push_back(StrTendril::from_slice(chunk));
            // The sink never stops it for a script or an encoding, so one call takes all.
            let _ = tokenizer.feed(&input);
            if tokenizer.sink.0.borrow().failure.is_some() {
                break;
            }
        }
        if after.is_empty() || tokenizer.sink.0.borrow().failure.is_some() {
            break;
        }
        input.push_back(StrTendril::from_slice(">"));
        rest = after;
    }
    tokenizer.end();
    tokenizer.sink.0.into_inner().finish()
}

/// Whether tags may end themselves: in XML's HTML they do.
fn is_xhtml(page: &str) -> bool {
    let head = page.get(..page.floor_char_boundary(2048)).unwrap_or(page);
    head.trim_start().starts_with("<?xml")
        || head.contains("//DTD XHTML")
        || head.contains("www.w3.org/1999/xhtml")
}

/// Splits within the first tag that is longer than [`MAX_TAG_BYTES`].
fn up_to_endless_tag(html: &str) -> (&str, &str) {
    let bytes = html.as_bytes();
    let mut run: Option<usize> = None;
    let mut quote: Option<u8> = None;
    let mut before = 0_u8;
    for (at, &byte) in bytes.iter().enumerate() {
        match (run, quote) {
            (None, _) if byte.is_ascii_alphabetic() && before == b'<' => run = Some(0),
            (None, _) => {}
            (Some(_), Some(end)) => {
                if byte == end {
                    quote = None;
                }
            }
            (Some(_), None) if byte == b'>' => run = None,
            (Some(_), None) if matches!(byte, b'"' | b'\'') && before == b'=' => quote = Some(byte),
            (Some(length), None) if length >= MAX_TAG_BYTES && byte.is_ascii() => return html.split_at(at),
            (Some(length), None) => run = Some(length.saturating_add(1)),
        }
        before = byte;
    }
    (html, "")
}

/// Pieces of at most `size` bytes, on character borders.
fn pieces(text: &str, size: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if rest.len() <= size { rest.len() } else { rest.floor_char_boundary(size).max(1) };
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(piece)
    })
}

struct Sink<'k>(RefCell<HtmlPage<'k>>);

impl TokenSink for Sink<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut page = self.0.borrow_mut();
        if page.failure.is_some() {
            return TokenSinkResult::Continue;
        }
        let outcome = match token {
            Token::CharacterTokens(text) => {
                if page.preformatted > 0 {
                    page.characters(&text);
                } else {
                    // Where the source breaks its lines says nothing; `<br>` does.
                    page.characters(&text.replace('\n', " "));
                }
                Ok(TokenSinkResult::Continue)
            }
            Token::TagToken(tag) => page.tag(&tag),
            _ => Ok(TokenSinkResult::Continue),
        };
        outcome.unwrap_or_else(|failure| {
            page.failure = Some(failure);
            TokenSinkResult::Continue
        })
    }
}

/// What is left out.
struct Skip {
    name: String,
    /// How often it is open.
    depth: u32,
    /// Because the page hides it.
    hidden: bool,
}

/// The page as far as it was read.
struct HtmlPage<'k> {
    writer: Writer,
    max_line: usize,
    failure: Option<ExtractFailure>,
    /// What is read although it is skipped elsewhere.
    kept: &'k [String],
    xhtml: bool,
    title: String,
    in_title: bool,
    first_heading: Option<String>,
    skipped: Option<Skip>,
    /// Text of a drawing that is skipped.
    in_drawn_text: bool,
    /// The block in the making.
    line: String,
    prefix: String,
    heading: Option<u8>,
    /// The lists that are open; the number of the last item where they have numbers.
    lists: Vec<Option<u32>>,
    /// Nothing was written since the list item before.
    in_item: bool,
    preformatted: u32,
    table: Option<HtmlTable>,
}

/// How many lists within each other are told apart.
const MAX_LISTS: usize = 64;

impl<'k> HtmlPage<'k> {
    fn new(limits: &Limits, kept: &'k [String], xhtml: bool) -> Self {
        Self {
            writer: Writer::new(limits),
            max_line: usize::try_from(limits.max_text).unwrap_or(usize::MAX),
            failure: None,
            kept,
            xhtml,
            title: String::new(),
            in_title: false,
            first_heading: None,
            skipped: None,
            in_drawn_text: false,
            line: String::new(),
            prefix: String::new(),
            heading: None,
            lists: Vec::new(),
            in_item: false,
            preformatted: 0,
            table: None,
        }
    }

    fn characters(&mut self, text: &str) {
        if self.skipped.is_some() && !self.in_drawn_text {
            return;
        }
        if self.in_title {
            if self.title.len() < 1000 {
                self.title.push_str(text);
            }
            return;
        }
        let target = match self.table.as_mut().and_then(|table| table.cell.as_mut()) {
            Some(cell) => cell,
            None => &mut self.line,
        };
        if target.len().saturating_add(text.len()) > self.max_line {
            self.failure = Some(crate::over("text in bytes", crate::as_u64(self.max_line)));
        } else {
            target.push_str(text);
        }
    }

    fn in_cell(&self) -> bool {
        self.table.as_ref().is_some_and(|table| table.cell.is_some())
    }

    fn is_skipped(&self, name: &str) -> bool {
        SKIPPED.contains(&name) && !self.kept.iter().any(|kept| kept == name)
    }

    fn hides(&self, tag: &Tag, name: &str) -> bool {
        if VOID.contains(&name)
            || matches!(name, "html" | "body")
            || self.kept.iter().any(|kept| kept == HIDDEN)
        {
            return false;
        }
        tag.attrs.iter().any(|attribute| match &*attribute.name.local {
            "hidden" => &*attribute.value != "until-found",
            "style" => {
                let style: String =
                    attribute.value.chars().filter(|c| !c.is_whitespace()).take(2000).collect();
                let style = style.to_ascii_lowercase();
                style.contains("display:none") || style.contains("visibility:hidden")
            }
            _ => false,
        })
    }

    /// Goes on with what is left out; whether the tag is part of it.
    fn skip(&mut self, tag: &Tag, name: &str, opens: bool) -> bool {
        let Some(skip) = &mut self.skipped else { return false };
        // A paragraph ends where the next block begins.
        if skip.hidden && skip.name == "p" && opens && BLOCKS.contains(&name) {
            self.skipped = None;
            return false;
        }
        if skip.name == "svg" && name == "text" {
            self.in_drawn_text = opens;
            if opens {
                self.characters(" ");
            }
        }
        if let Some(skip) = &mut self.skipped
            && skip.name == name
            && !tag.self_closing
        {
            skip.depth = if opens { skip.depth.saturating_add(1) } else { skip.depth.saturating_sub(1) };
            if skip.depth == 0 {
                self.skipped = None;
                self.in_drawn_text = false;
            }
        }
        true
    }

    fn tag(&mut self, tag: &Tag) -> Result<TokenSinkResult<()>, ExtractFailure> {
        let name: &str = &tag.name;
        let opens = tag.kind == TagKind::StartTag;
        let raw = match name {
            "script" => Some(ScriptData),
            "style" | "iframe" | "noembed" | "noframes" | "xmp" => Some(Rawtext),
            "title" | "textarea" => Some(Rcdata),
            _ => None,
        };
        let is_whole = tag.self_closing && (self.xhtml || VOID.contains(&name));
        let next = || match raw {
            Some(kind) if opens && !is_whole => TokenSinkResult::RawData(kind),
            _ => TokenSinkResult::Continue,
        };
        if self.skip(tag, name, opens) {
            return Ok(next());
        }
        let hidden = opens && self.hides(tag, name);
        if opens && (hidden || self.is_skipped(name)) {
            let ends = tag.self_closing && (self.xhtml || raw.is_none());
            if !ends {
                self.skipped = Some(Skip { name: name.to_owned(), depth: 1, hidden });
            }
            return Ok(next());
        }
        match name {
            "title" => self.in_title = opens && !is_whole && self.title.is_empty(),
            "br" => self.characters(if self.heading.is_some() { " " } else { "\n" }),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(name, opens)?,
            "ul" | "ol" => self.list(tag, name, opens)?,
            "li" => self.item(opens)?,
            "table" | "tr" | "td" | "th" => self.table(tag, name, opens)?,
            "button" if self.heading.is_some() => self.characters(" "),
            "img" if opens => {
                let alt = tag.attrs.iter().find(|attribute| &*attribute.name.local == "alt");
                if let Some(alt) = alt {
                    self.characters(" ");
                    self.characters(&alt.value);
                    self.characters(" ");
                }
            }
            _ if FORMULA.contains(&name) && opens => self.characters(" "),
            _ if BLOCKS.contains(&name) || name == "button" => {
                if self.in_cell() {
                    self.characters(" ");
                } else {
                    self.flush()?;
                }
                if name == "pre" {
                    self.preformatted = if opens {
                        self.preformatted.saturating_add(1)
                    } else {
                        self.preformatted.saturating_sub(1)
                    };
                }
            }
            _ => {}
        }
        Ok(next())
    }

    fn list(&mut self, tag: &Tag, name: &str, opens: bool) -> Result<(), ExtractFailure> {
        if opens {
            self.leave_layout_table()?;
        }
        if self.in_cell() {
            return Ok(());
        }
        self.flush()?;
        self.prefix.clear();
        if !opens {
            self.lists.pop();
        } else if self.lists.len() < MAX_LISTS {
            let start = tag.attrs.iter().find(|attribute| &*attribute.name.local == "start");
            let start = start.and_then(|start| start.value.parse::<u32>().ok()).unwrap_or(1);
            self.lists.push((name == "ol").then(|| start.saturating_sub(1)));
        }
        Ok(())
    }

    fn item(&mut self, opens: bool) -> Result<(), ExtractFailure> {
        if let Some(cell) = self.table.as_mut().and_then(|table| table.cell.as_mut()) {
            // Items of a list within a cell stay apart.
            if opens && !cell.trim().is_empty() {
                cell.truncate(cell.trim_end().len());
                cell.push_str(", ");
            }
            return Ok(());
        }
        self.flush()?;
        if opens {
            let depth = self.lists.len().saturating_sub(1).min(6);
            let sign = match self.lists.last_mut() {
                Some(Some(number)) => {
                    *number = number.saturating_add(1);
                    format!("{number}.")
                }
                _ => "-".to_owned(),
            };
            self.prefix = format!("{}{sign} ", "  ".repeat(depth));
        }
        Ok(())
    }

    fn heading(&mut self, name: &str, opens: bool) -> Result<(), ExtractFailure> {
        if opens {
            self.leave_layout_table()?;
        }
        if self.in_cell() {
            self.characters(" ");
            return Ok(());
        }
        self.flush()?;
        self.heading =
            if opens { name.as_bytes().get(1).map(|digit| digit.saturating_sub(b'0')) } else { None };
        Ok(())
    }

    /// Headings, lists and tables in a cell of a table without names of columns: that is no table but a way to place
    /// blocks, and its cells are read as such.
    fn leave_layout_table(&mut self) -> Result<(), ExtractFailure> {
        if !self.table.as_ref().is_some_and(|table| table.cell.is_some() && table.is_nameless()) {
            return Ok(());
        }
        let Some(mut table) = self.table.take() else { return Ok(()) };
        let begun = table.cell.take().unwrap_or_default();
        let row = std::mem::take(&mut table.row);
        self.writer.block("", &row_line(&row))?;
        self.line = begun;
        self.flush()
    }

    fn table(&mut self, tag: &Tag, name: &str, opens: bool) -> Result<(), ExtractFailure> {
        if name == "table" && opens {
            self.leave_layout_table()?;
        }
        if name == "table" && opens && self.table.is_none() {
            self.flush()?;
            self.table = Some(HtmlTable::default());
            return Ok(());
        }
        let Some(table) = &mut self.table else {
            // Of a table that only places blocks.
            return self.flush();
        };
        match (name, opens) {
            ("table", true) => table.nested = table.nested.saturating_add(1),
            ("table", false) if table.nested > 0 => table.nested = table.nested.saturating_sub(1),
            ("table", false) => self.end_table()?,
            // A table within a cell is read as the cell's text.
            _ if table.nested > 0 => {
                if let Some(cell) = &mut table.cell {
                    cell.push(' ');
                }
            }
            ("tr", _) => self.end_row()?,
            ("td" | "th", true) => {
                table.end_cell();
                table.heads = table.heads.saturating_add(usize::from(name == "th"));
                table.cells = table.cells.saturating_add(1);
                let number = |name: &str, most: usize| {
                    let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name);
                    found
                        .and_then(|found| found.value.trim().parse::<usize>().ok())
                        .unwrap_or(1)
                        .clamp(1, most)
                };
                (table.columns, table.rows_of_cell) =
                    (number("colspan", MAX_COLUMNS), number("rowspan", MAX_ROWS));
                table.cell = Some(String::new());
            }
            _ => table.end_cell(),
        }
        Ok(())
    }

    fn end_table(&mut self) -> Result<(), ExtractFailure> {
        self.end_row()?;
        let Some(table) = self.table.take() else { return Ok(()) };
        let gap = if table.rows == 0 { "\n\n" } else { "\n" };
        self.writer.block_after(gap, "", &table.names.unsaid())
    }

    fn end_row(&mut self) -> Result<(), ExtractFailure> {
        let Some(table) = &mut self.table else { return Ok(()) };
        table.end_cell();
        if table.cells == 0 {
            return Ok(());
        }
        let is_heads = table.heads == table.cells;
        let heads = std::mem::take(&mut table.heads);
        table.cells = 0;
        table.fill_spans();
        let mut row = std::mem::take(&mut table.row);
        if row.iter().all(String::is_empty) {
            return Ok(());
        }
        if table.rows == 0 && is_heads && is_header(&row) {
            // Names in two rows: `Price` over `Month` and `Year`.
            table.names = ColumnNames::new(named_twice(table.names.names(), row));
            return Ok(());
        }
        let is_named = !table.names.names().is_empty();
        if !is_named {
            row.dedup_by(|cell, before| !cell.is_empty() && cell == before);
        }
        table.rows = table.rows.saturating_add(1);
        // A row that begins with its own name: `<th>Monday</th><td>9–21</td>`.
        let line = match row.as_slice() {
            [name, value] if heads == 1 && !is_named => format!("{name}: {value}"),
            _ => table.names.row(&row),
        };
        let gap = if table.rows == 1 { "\n\n" } else { "\n" };
        self.writer.block_after(gap, "", &line)
    }

    /// Ends the block in the making.
    fn flush(&mut self) -> Result<(), ExtractFailure> {
        let line = std::mem::take(&mut self.line);
        let text = if self.preformatted > 0 {
            line.trim_matches('\n').trim_end().to_owned()
        } else {
            line.split('\n').map(squeeze).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
        };
        if text.is_empty() {
            return Ok(());
        }
        if let Some(level) = self.heading {
            let text = squeeze(&text);
            if self.first_heading.is_none() {
                self.first_heading = Some(text.clone());
            }
            self.in_item = false;
            return self.writer.block(&format!("{} ", "#".repeat(level.into())), &text);
        }
        let prefix = std::mem::take(&mut self.prefix);
        let gap = if !prefix.is_empty() && self.in_item { "\n" } else { "\n\n" };
        self.in_item = !prefix.is_empty();
        self.writer.block_after(gap, &prefix, &text)
    }

    fn finish(mut self) -> Result<(ReadText, Option<String>), ExtractFailure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let unclosed =
            self.skipped.take().map(|skip| if skip.hidden { HIDDEN.to_owned() } else { skip.name });
        self.end_table()?;
        self.flush()?;
        let title = if self.title.trim().is_empty() { self.first_heading } else { Some(self.title) };
        Ok((ReadText { title, text: self.writer.finish(), ..ReadText::default() }, unclosed))
    }
}

/// The names of columns in two rows, as one.
fn named_twice(above: &[String], below: Vec<String>) -> Vec<String> {
    if above.is_empty() {
        return below;
    }
    let width = above.len().max(below.len());
    let name = |names: &[String], column: usize| names.get(column).cloned().unwrap_or_default();
    (0..width)
        .map(|column| match (name(above, column), name(&below, column)) {
            (above, below) if below.is_empty() || above == below => above,
            (above, below) if above.is_empty() => below,
            (above, below) => format!("{above} {below}"),
        })
        .collect()
}

#[derive(Default)]
struct HtmlTable {
    nested: u32,
    names: ColumnNames,
    row: Vec<String>,
    heads: usize,
    cells: usize,
    rows: u64,
    cell: Option<String>,
    /// What the open cell spans.
    columns: usize,
    rows_of_cell: usize,
    /// By column: in how many rows more a cell goes on, and what it says.
    spans: Vec<(usize, String)>,
}

impl HtmlTable {
    /// Whether nothing says that it is a table of named columns or rows.
    fn is_nameless(&self) -> bool {
        self.nested == 0 && self.names.names().is_empty() && self.heads == 0
    }

    /// Puts in the cells of rows above that go on in this one, from the next column on.
    fn fill_spans(&mut self) {
        while let Some((left, text)) = self.spans.get_mut(self.row.len()) {
            if *left == 0 {
                return;
            }
            *left = left.saturating_sub(1);
            let text = text.clone();
            self.row.push(text);
        }
    }

    fn end_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        self.fill_spans();
        let text = squeeze(&cell);
        for column in 0..self.columns.clamp(1, MAX_COLUMNS) {
            // Over several columns, a name is that of each, and a value that of the first.
            let own = if column == 0 || self.heads > 0 { text.clone() } else { String::new() };
            let place = self.row.len();
            if place >= MAX_COLUMNS.saturating_mul(10) {
                // A table that wide is none: its text stays in the last cell.
                if let Some(last) = self.row.last_mut() {
                    last.push(' ');
                    last.push_str(&own);
                }
                continue;
            }
            if self.spans.len() <= place {
                self.spans.resize(place.saturating_add(1), (0, String::new()));
            }
            if let Some(span) = self.spans.get_mut(place) {
                *span = (
                    self.rows_of_cell.saturating_sub(1),
                    if self.rows_of_cell > 1 { own.clone() } else { String::new() },
                );
            }
            self.row.push(own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_TAG_BYTES, up_to_endless_tag};

    #[test]
    fn only_a_tag_that_does_not_end_is_split() {
        let page = format!(
            "<p title=\"{}\">{}</p>",
            "long > ".repeat(MAX_TAG_BYTES),
            "text < ".repeat(MAX_TAG_BYTES)
        );
        assert_eq!(up_to_endless_tag(&page), (page.as_str(), ""));
        let endless = format!("<p>Tea</p><a {}", "b ".repeat(MAX_TAG_BYTES));
        let (before, after) = up_to_endless_tag(&endless);
        assert_eq!(format!("{before}{after}"), endless);
        assert!(!after.is_empty() && before.len() <= MAX_TAG_BYTES + 20, "{}", before.len());
    }
}
