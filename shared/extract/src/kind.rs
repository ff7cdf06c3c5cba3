//! What a file is, by its content.

use std::borrow::Cow;

use frontdesk_ports::ExtractFailure;

use crate::{Limits, archive, encoding, table, unreadable};

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

/// What a file is, and its text where it is a text format.
pub(crate) fn recognise<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<(FileKind, Cow<'a, str>), ExtractFailure> {
    if bytes.is_empty() {
        return Err(unreadable("the file is empty"));
    }
    let head = bytes.get(..1024).unwrap_or(bytes);
    // Readers accept a pdf that begins within the first kilobyte.
    if bytes.starts_with(b"%PDF-") || (find(head, b"%PDF-").is_some() && encoding::is_binary(bytes)) {
        return Ok((FileKind::Pdf, Cow::Borrowed("")));
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return if archive::open(bytes, limits)?.contains("word/document.xml") {
            Ok((FileKind::Docx, Cow::Borrowed("")))
        } else {
            Err(unsupported(infer::get(bytes).map_or("application/zip", |found| found.mime_type())))
        };
    }
    if bytes.starts_with(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") {
        let encrypted: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        return if find(bytes, &encrypted).is_some() {
            Err(unreadable("the file is protected with a password; save it without one and upload it again"))
        } else {
            Err(unsupported("application/msword (the old binary format; save it as docx)"))
        };
    }
    let Some(decoded) = encoding::decode(bytes) else {
        return Err(unsupported(
            infer::get(bytes).map_or("application/octet-stream", |found| found.mime_type()),
        ));
    };
    if decoded.trim().is_empty() {
        return Err(unreadable("the file holds no text"));
    }
    kind_of_text(&decoded).map(|kind| (kind, decoded))
}

/// How much of a text tells its kind, in bytes.
const SAMPLE: usize = 256 << 10;

fn kind_of_text(whole: &str) -> Result<FileKind, ExtractFailure> {
    let text = whole.get(..whole.floor_char_boundary(SAMPLE)).unwrap_or(whole);
    let start: String = text.trim_start().chars().take(2048).collect::<String>().to_ascii_lowercase();
    if start.starts_with("{\\rtf") {
        return Err(unsupported("application/rtf (save it as docx)"));
    }
    if is_html(whole, &start) {
        return Ok(FileKind::Html);
    }
    if start.starts_with("<?xml") || start.starts_with("<svg") {
        return Err(unsupported("text/xml"));
    }
    if table::delimiter(whole).is_some() {
        return Ok(FileKind::Csv);
    }
    Ok(if is_markdown(text) { FileKind::Markdown } else { FileKind::Plain })
}

fn is_html(text: &str, start: &str) -> bool {
    if start.starts_with("<!doctype html") || start.contains("<html") {
        return true;
    }
    // A fragment: begins with a tag of HTML and closes some.
    let opens = [
        "<!--", "<head", "<body", "<div", "<p>", "<p ", "<h1", "<h2", "<h3", "<ul", "<ol", "<table",
        "<section", "<article", "<main", "<title", "<meta", "<span", "<script", "<style", "<br",
    ];
    opens.iter().any(|tag| start.starts_with(tag)) && (text.contains("</") || start.starts_with("<br"))
}

/// Some lines are Markdown's: headings, fences, links, lists in number.
fn is_markdown(text: &str) -> bool {
    let mut signs = 0_u32;
    for line in text.lines().take(400) {
        let trimmed = line.trim_start();
        let heading = trimmed.trim_start_matches('#');
        if heading.len() < trimmed.len()
            && trimmed.len().saturating_sub(heading.len()) <= 6
            && heading.starts_with(' ')
        {
            return true;
        }
        let is_sign = trimmed.starts_with("```")
            || trimmed.starts_with("- ")
            || trimmed.starts_with("* ")
            || trimmed.starts_with("> ")
            || trimmed.starts_with("| ")
            || trimmed.contains("](")
            || trimmed.matches("**").count() >= 2;
        signs = signs.saturating_add(u32::from(is_sign));
    }
    signs >= 2
}

fn unsupported(found: &str) -> ExtractFailure {
    ExtractFailure::Unsupported { found: found.to_owned() }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
