//! Text from txt, md, html, csv, pdf and docx, as Markdown, under strict limits.
//!
//! The type is told by the content alone. Everything here works in one pass over bounded input; what the pdf libraries
//! may still do (panic, overflow the stack, eat memory) a host contains by running [`wire::answer`] in a process or a
//! WebAssembly instance of its own.

mod archive;
mod docx;
mod encoding;
mod html;
mod inflate;
mod kind;
mod markdown;
mod numbering;
mod pdf;
mod quality;
mod table;
mod text;
mod warnings;
pub mod wire;

use frontdesk_domain::document::reasons::{self, Reason};
use serde::{Deserialize, Serialize};

pub use frontdesk_ports::{ExtractFailure, Extracted, NotRead, Resume, UnreadPart};
pub use kind::{ACCEPTED, FileKind, kind_of, kind_of_typed};

/// What one file may cost. Each limit is checked before or while the data arises, never after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Pages of a pdf.
    pub max_pages: u32,
    /// How many of them one part holds. Fifty pages of close print take about half a second in WebAssembly.
    pub pages_at_once: u32,
    /// Bytes after unpacking, over all parts that are read.
    pub max_unpacked: u64,
    /// Entries of an archive.
    pub max_entries: u32,
    /// Bytes of the text that comes out.
    pub max_text: u64,
    /// How deep elements may be nested.
    pub max_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 100 << 20,
            max_pages: 2_000,
            pages_at_once: 50,
            max_unpacked: 128 << 20,
            max_entries: 4_000,
            max_text: 8 << 20,
            max_depth: 256,
        }
    }
}

/// The text of a file, or of a part of it: a long pdf comes in parts, each of which says where the next one begins.
/// `name` gives the title where the document has none of its own; it never decides the type.
///
/// # Errors
/// [`ExtractFailure`]: not one of the accepted types, encrypted, broken, empty, or over a limit.
pub fn extract(
    bytes: &[u8],
    name: &str,
    from: Option<&Resume>,
    limits: &Limits,
) -> Result<Extracted, ExtractFailure> {
    if as_u64(bytes.len()) > limits.max_bytes {
        return Err(over("bytes", limits.max_bytes));
    }
    let (kind, decoded) = kind::recognise(bytes, limits)?;
    let mut read = match kind {
        FileKind::Pdf => pdf::read(bytes, from, limits)?,
        FileKind::Docx => docx::read(bytes, limits)?,
        FileKind::Html => html::read(&decoded.text, limits)?,
        FileKind::Csv => table::read_csv(&decoded.text, limits)?,
        FileKind::Markdown | FileKind::Plain => text::read(&decoded.text, kind, limits)?,
    };
    if decoded.damaged > 0 {
        read.unread.push(NotRead::new(UnreadPart::Characters, decoded.damaged.to_string()));
    }
    finish(kind, read, name, from, limits)
}

/// A text that was typed: what it looks like makes no page or table of it.
///
/// # Errors
/// [`ExtractFailure`]: over a limit, empty, or no text.
pub fn extract_typed(bytes: &[u8], limits: &Limits) -> Result<Extracted, ExtractFailure> {
    let decoded = encoding::decode(bytes).ok_or_else(|| unreadable(reasons::NOT_TEXT))?;
    let kind = kind_of_typed(&decoded.text);
    finish(kind, text::read(&decoded.text, kind, limits)?, "", None, limits)
}

fn finish(
    kind: FileKind,
    read: ReadText,
    name: &str,
    from: Option<&Resume>,
    limits: &Limits,
) -> Result<Extracted, ExtractFailure> {
    let before = from.map_or(0, |from| from.text);
    let mut text = text::tidy(&read.text);
    if before > 0 && !text.is_empty() {
        text.insert_str(0, BETWEEN_PARTS);
    }
    let all = before.saturating_add(as_u64(text.len()));
    if all == 0 && read.rest.is_none() {
        return Err(unreadable(read.why_empty.unwrap_or(reasons::NO_TEXT)));
    }
    quality::check(&text)?;
    if all > limits.max_text {
        return Err(over("text in bytes", limits.max_text));
    }
    let rest = read.rest.map(|rest| Resume { text: all, ..rest });
    let title = read.title.and_then(|title| text::title(&title)).or_else(|| text::title_from_name(name));
    let media_type = kind.media_type().to_owned();
    Ok(Extracted { media_type, title, text, pages: read.pages, rest, unread: read.unread })
}

/// What a format's reader gives; the text is not tidied yet.
#[derive(Debug, Default)]
struct ReadText {
    title: Option<String>,
    text: String,
    pages: Option<u32>,
    rest: Option<Resume>,
    /// Why there is no text, should there be none.
    why_empty: Option<Reason>,
    unread: Vec<NotRead>,
}

/// Parts end with pages, and between pages there is a rule.
const BETWEEN_PARTS: &str = "\n\n---\n\n";

fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn unreadable(reason: Reason) -> ExtractFailure {
    reason.into()
}

fn over(what: &str, limit: u64) -> ExtractFailure {
    ExtractFailure::OverLimit { what: what.to_owned(), limit }
}
