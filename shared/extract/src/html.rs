//! HTML to Markdown from the token stream alone: one pass, no tree, so neither depth nor unclosed tags cost anything.

use std::cell::RefCell;

use frontdesk_ports::ExtractFailure;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{Rawtext, Rcdata, ScriptData};
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::table::{is_header, row_line};
use crate::text::{Writer, squeeze};
use crate::{Limits, ReadText};

/// The longest run outside quotes within one tag. The tokenizer compares each attribute with all before it, so a tag that
/// never ends would cost the square of its length; it is closed here instead.
const MAX_TAG_BYTES: usize = 16 * 1024;

/// Elements whose content is not for readers.
const SKIPPED: [&str; 14] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "select", "button", "nav",
    "canvas", "audio", "video",
];

/// Elements that begin and end a block.
const BLOCKS: [&str; 27] = [
    "p",
    "div",
    "section",
    "article",
    "main",
    "header",
    "footer",
    "aside",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "blockquote",
    "figure",
    "figcaption",
    "address",
    "form",
    "fieldset",
    "details",
    "summary",
    "body",
    "html",
    "pre",
    "hr",
    "center",
    "caption",
];

pub(crate) fn read(decoded: &str, limits: &Limits) -> Result<ReadText, ExtractFailure> {
    let whole = tokenize(decoded, limits, true)?;
    // A page whose `<nav>` is never closed would be empty; then everything but scripts counts.
    if whole.text.trim().is_empty() { tokenize(decoded, limits, false) } else { Ok(whole) }
}

fn tokenize(decoded: &str, limits: &Limits, skip_navigation: bool) -> Result<ReadText, ExtractFailure> {
    let sink = Sink(RefCell::new(HtmlPage::new(limits, skip_navigation)));
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

struct Sink(RefCell<HtmlPage>);

impl TokenSink for Sink {
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

/// The page as far as it was read.
struct HtmlPage {
    writer: Writer,
    max_line: usize,
    failure: Option<ExtractFailure>,
    skip_navigation: bool,
    title: String,
    in_title: bool,
    first_heading: Option<String>,
    /// The element that is skipped, and how often it is open.
    skipped: Option<(String, u32)>,
    /// The block in the making.
    line: String,
    prefix: String,
    heading: Option<u8>,
    lists: u32,
    /// Nothing was written since the list item before.
    in_item: bool,
    preformatted: u32,
    table: Option<HtmlTable>,
}

#[derive(Default)]
struct HtmlTable {
    nested: u32,
    header: Option<Vec<String>>,
    row: Vec<String>,
    heads: usize,
    rows: u64,
    cell: Option<String>,
}

impl HtmlPage {
    fn new(limits: &Limits, skip_navigation: bool) -> Self {
        Self {
            writer: Writer::new(limits),
            max_line: usize::try_from(limits.max_text).unwrap_or(usize::MAX),
            failure: None,
            skip_navigation,
            title: String::new(),
            in_title: false,
            first_heading: None,
            skipped: None,
            line: String::new(),
            prefix: String::new(),
            heading: None,
            lists: 0,
            in_item: false,
            preformatted: 0,
            table: None,
        }
    }

    fn characters(&mut self, text: &str) {
        if self.skipped.is_some() {
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

    fn tag(&mut self, tag: &Tag) -> Result<TokenSinkResult<()>, ExtractFailure> {
        let name: &str = &tag.name;
        let opens = tag.kind == TagKind::StartTag;
        let raw = match name {
            "script" => Some(ScriptData),
            "style" | "iframe" | "noembed" | "noframes" | "xmp" => Some(Rawtext),
            "title" | "textarea" => Some(Rcdata),
            _ => None,
        };
        let next = || match raw {
            Some(kind) if opens => TokenSinkResult::RawData(kind),
            _ => TokenSinkResult::Continue,
        };
        if let Some((skipped, depth)) = &mut self.skipped {
            if skipped == name && !tag.self_closing {
                *depth = if opens { depth.saturating_add(1) } else { depth.saturating_sub(1) };
                if *depth == 0 {
                    self.skipped = None;
                }
            }
            return Ok(next());
        }
        let skips = SKIPPED.contains(&name) && (self.skip_navigation || raw.is_some() || name == "template");
        if opens && skips && !tag.self_closing {
            self.skipped = Some((name.to_owned(), 1));
            return Ok(next());
        }
        match name {
            "title" => self.in_title = opens && self.title.is_empty(),
            "br" => self.characters(if self.heading.is_some() { " " } else { "\n" }),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.heading(name, opens)?,
            "ul" | "ol" => {
                self.flush()?;
                self.lists = if opens { self.lists.saturating_add(1) } else { self.lists.saturating_sub(1) };
                self.prefix.clear();
            }
            "li" => {
                self.flush()?;
                if opens {
                    let depth = usize::try_from(self.lists.saturating_sub(1).min(6)).unwrap_or(0);
                    self.prefix = format!("{}- ", "  ".repeat(depth));
                }
            }
            "table" | "tr" | "td" | "th" => self.table(name, opens)?,
            "img" if opens => {
                let alt = tag.attrs.iter().find(|attribute| &*attribute.name.local == "alt");
                if let Some(alt) = alt {
                    self.characters(" ");
                    self.characters(&alt.value);
                    self.characters(" ");
                }
            }
            _ if BLOCKS.contains(&name) => {
                let in_cell = self.table.as_ref().is_some_and(|table| table.cell.is_some());
                if in_cell {
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

    fn heading(&mut self, name: &str, opens: bool) -> Result<(), ExtractFailure> {
        if self.table.as_ref().is_some_and(|table| table.cell.is_some()) {
            self.characters(" ");
            return Ok(());
        }
        self.flush()?;
        self.heading =
            if opens { name.as_bytes().get(1).map(|digit| digit.saturating_sub(b'0')) } else { None };
        Ok(())
    }

    fn table(&mut self, name: &str, opens: bool) -> Result<(), ExtractFailure> {
        if name == "table" && opens && self.table.is_none() {
            self.flush()?;
            self.table = Some(HtmlTable::default());
            return Ok(());
        }
        let Some(table) = &mut self.table else { return Ok(()) };
        match (name, opens) {
            ("table", true) => table.nested = table.nested.saturating_add(1),
            ("table", false) if table.nested > 0 => table.nested = table.nested.saturating_sub(1),
            ("table", false) => {
                self.end_row()?;
                self.table = None;
            }
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
                table.cell = Some(String::new());
            }
            _ => table.end_cell(),
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), ExtractFailure> {
        let Some(table) = &mut self.table else { return Ok(()) };
        table.end_cell();
        let row = std::mem::take(&mut table.row);
        let heads = std::mem::take(&mut table.heads);
        if row.iter().all(String::is_empty) {
            return Ok(());
        }
        if table.rows == 0 && table.header.is_none() && heads == row.len() && is_header(&row) {
            table.header = Some(row);
            return Ok(());
        }
        table.rows = table.rows.saturating_add(1);
        let header = table.header.as_deref();
        // A row that begins with its own name: `<th>Monday</th><td>9–21</td>`.
        let line = match (header, row.as_slice()) {
            (None, [name, value]) if heads == 1 => format!("{name}: {value}"),
            _ => row_line(header, &row),
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

    fn finish(mut self) -> Result<ReadText, ExtractFailure> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.end_row()?;
        self.table = None;
        self.flush()?;
        let title = if self.title.trim().is_empty() { self.first_heading } else { Some(self.title) };
        Ok(ReadText { title, text: self.writer.finish(), ..ReadText::default() })
    }
}

impl HtmlTable {
    fn end_cell(&mut self) {
        if let Some(cell) = self.cell.take() {
            self.row.push(squeeze(&cell));
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
