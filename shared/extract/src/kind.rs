//! What a file is, by its content.

use frontdesk_domain::document::reasons;
use frontdesk_ports::ExtractFailure;

use crate::encoding::Decoded;
use crate::{Limits, archive, docx, encoding, table, unreadable};

/// A type that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Text without markup.
    Plain,
    /// Markdown.
    Markdown,
    /// HTML.
    Html,
    /// A table with one header row.
    Csv,
    /// PDF.
    Pdf,
    /// Word.
    Docx,
}

/// The accepted types, for a person.
pub const ACCEPTED: &str = "txt, md, html, csv, pdf, docx";

impl FileKind {
    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain",
            Self::Markdown => "text/markdown",
            Self::Html => "text/html",
            Self::Csv => "text/csv",
            Self::Pdf => "application/pdf",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }
    }
}

/// What a file is, without reading all of it.
///
/// # Errors
/// [`ExtractFailure`] when it is empty or none of the accepted types.
pub fn kind_of(bytes: &[u8], limits: &Limits) -> Result<FileKind, ExtractFailure> {
    recognise(bytes, limits).map(|(kind, _)| kind)
}

/// What a text is that was typed: never a page or a table, whatever it looks like.
#[must_use]
pub fn kind_of_typed(text: &str) -> FileKind {
    if is_markdown(text) { FileKind::Markdown } else { FileKind::Plain }
}

/// What a file is, and its text where it is a text format.
pub(crate) fn recognise<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(FileKind, Decoded<'a>), ExtractFailure> {
    if bytes.is_empty() {
        return Err(unreadable(reasons::EMPTY));
    }
    let head = bytes.get(..1024).unwrap_or(bytes);
    // Readers accept a pdf that begins within the first kilobyte.
    if bytes.starts_with(b"%PDF-") || (find(head, b"%PDF-").is_some() && encoding::is_binary(bytes)) {
        return Ok((FileKind::Pdf, Decoded::default()));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        let mut archive = archive::open(bytes, limits)?;
        return if docx::main_part(&mut archive, limits)?.is_some() {
            Ok((FileKind::Docx, Decoded::default()))
        } else {
            Err(unsupported(infer::get(bytes).map_or("application/zip", |found| found.mime_type())))
        };
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        let encrypted: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        return if find(bytes, &encrypted).is_some() {
            Err(unreadable(reasons::LOCKED))
        } else {
            Err(unsupported("application/msword (the old binary format; save it as docx)"))
        };
    }
    let Some(decoded) = encoding::decode(bytes) else {
        return Err(match infer::get(bytes) {
            // A kind that is read, in an encoding that is not.
            Some(found) if found.mime_type().starts_with("text/") => unreadable(reasons::MEANINGLESS),
            found => unsupported(found.map_or("application/octet-stream", |found| found.mime_type())),
        });
    };
    if decoded.text.trim().is_empty() {
        return Err(unreadable(reasons::NO_TEXT));
    }
    kind_of_text(&decoded.text).map(|kind| (kind, decoded))
}

/// How much of a text tells its kind, in bytes.
const SAMPLE: usize = 256 << 10;

fn kind_of_text(whole: &str) -> Result<FileKind, ExtractFailure> {
    let text = whole.get(..whole.floor_char_boundary(SAMPLE)).unwrap_or(whole);
    let (declaration, start) = beginning(text);
    let start: String = start.chars().take(64).collect::<String>().to_ascii_lowercase();
    if start.starts_with("{\\rtf") {
        return Err(unsupported("application/rtf (save it as docx)"));
    }
    if is_page(&start) {
        return Ok(FileKind::Html);
    }
    if declaration || start.starts_with("<svg") {
        return Err(unsupported("text/xml"));
    }
    if is_fragment(&start, text) {
        return Ok(FileKind::Html);
    }
    if table::delimiter(whole).is_some() {
        return Ok(FileKind::Csv);
    }
    Ok(kind_of_typed(text))
}

/// Whether there is an XML declaration, and what comes after it, white space and comments.
fn beginning(text: &str) -> (bool, &str) {
    let mut rest = text.trim_start_matches('\u{FEFF}').trim_start();
    let mut declaration = false;
    if let Some((_, after)) = rest.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        (declaration, rest) = (true, after.trim_start());
    }
    while let Some((_, after)) = rest.strip_prefix("<!--").and_then(|rest| rest.split_once("-->")) {
        rest = after.trim_start();
    }
    (declaration, rest)
}

/// A page says so, or begins with what only pages have.
fn is_page(start: &str) -> bool {
    ["<!doctype html", "<html", "<head", "<body", "<title", "<meta"].iter().any(|tag| begins_with(start, tag))
}

fn begins_with(start: &str, tag: &str) -> bool {
    start.strip_prefix(tag).is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()))
}

/// A piece of a page: it begins with an element that it closes, and no line of it is Markdown's.
fn is_fragment(start: &str, text: &str) -> bool {
    const OPENS: [&str; 38] = [
        "<a",
        "<abbr",
        "<article",
        "<aside",
        "<b",
        "<blockquote",
        "<br",
        "<button",
        "<center",
        "<dd",
        "<details",
        "<div",
        "<dl",
        "<em",
        "<figure",
        "<font",
        "<footer",
        "<form",
        "<h1",
        "<h2",
        "<h3",
        "<h4",
        "<h5",
        "<h6",
        "<header",
        "<hr",
        "<i",
        "<img",
        "<main",
        "<nav",
        "<ol",
        "<p",
        "<pre",
        "<section",
        "<span",
        "<strong",
        "<table",
        "<ul",
    ];
    let is_other = ["<style", "<script", "<link", "<iframe"].iter().any(|tag| begins_with(start, tag));
    if !is_other && !OPENS.iter().any(|tag| begins_with(start, tag)) {
        return false;
    }
    (text.contains("</") || begins_with(start, "<br")) && !is_markdown(text)
}

/// Some lines are Markdown's: headings, fences, links, lists in number.
fn is_markdown(text: &str) -> bool {
    let mut signs = 0_u32;
    let mut before = "";
    for line in text.lines().take(400) {
        let trimmed = line.trim_start();
        let heading = trimmed.trim_start_matches('#');
        let level = trimmed.len().saturating_sub(heading.len());
        if (1..=6).contains(&level) && heading.starts_with(' ') {
            return true;
        }
        if is_underline(trimmed) && trimmed.starts_with('=') && !before.trim().is_empty() {
            return true;
        }
        let is_sign = trimmed.starts_with("```")
            || trimmed.starts_with("- ")
            || trimmed.starts_with("* ")
            || trimmed.starts_with("> ")
            || trimmed.starts_with("| ")
            || trimmed.contains("](")
            || (is_underline(trimmed) && !before.trim().is_empty())
            || trimmed.matches("**").count() >= 2;
        signs = signs.saturating_add(u32::from(is_sign));
        before = line;
    }
    signs >= 2
}

/// What makes a heading of the line above it.
pub(crate) fn is_underline(line: &str) -> bool {
    let line = line.trim_end();
    line.len() >= 3 && (line.bytes().all(|byte| byte == b'=') || line.bytes().all(|byte| byte == b'-'))
}

fn unsupported(found: &str) -> ExtractFailure {
    ExtractFailure::Unsupported { found: found.to_owned() }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
