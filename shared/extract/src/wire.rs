//! A request and its answer as bytes, for a reader that runs apart from its host: one line of JSON and the file; one
//! JSON value.

use frontdesk_domain::text::{TextPlace, Window, split};
use frontdesk_ports::{ExtractFailure, ExtractRequest, Resume, SplitRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{FileKind, Limits, extract, extract_typed, kind_of};

/// The memory of the WebAssembly module that reads files, in bytes: its linker is told the same
/// (`functions/extract/build.rs`). Together with a Worker of its own it stays within the 128 MB of an isolate.
pub const MODULE_MEMORY: u64 = 64 << 20;

/// Why there is no answer: `reason` is what the module's host says, `memory` or anything else.
#[must_use]
pub fn died(reason: &str) -> ExtractFailure {
    if reason == "memory" { ExtractFailure::out_of_memory(MODULE_MEMORY) } else { ExtractFailure::broken() }
}

/// The line before the file.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    ask: ReaderAsk,
    limits: Limits,
}

/// What is wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ReaderAsk {
    /// The type alone.
    MediaType,
    /// The text.
    Text {
        name: String,
        from: Option<Resume>,
        #[serde(default)]
        typed: bool,
    },
    /// The next passages of a text that was read before; it stands in the file's place.
    Split { title: String, place: TextPlace, most: usize, is_last: bool },
}

/// What the reader gets to tell a file's text, but for the file, which comes right after it.
///
/// # Errors
/// Never with these types; serialisation says so by its type.
pub fn text_header(request: &ExtractRequest, limits: &Limits) -> serde_json::Result<Vec<u8>> {
    let ExtractRequest { name, from, typed, .. } = request;
    header(ReaderAsk::Text { name: name.clone(), from: from.clone(), typed: *typed }, limits)
}

/// What the reader gets to tell a file's type, but for the file.
///
/// # Errors
/// As [`text_header`].
pub fn media_type_header(limits: &Limits) -> serde_json::Result<Vec<u8>> {
    header(ReaderAsk::MediaType, limits)
}

/// What the reader gets to split a text, but for the text.
///
/// # Errors
/// As [`text_header`].
pub fn split_header(request: &SplitRequest, limits: &Limits) -> serde_json::Result<Vec<u8>> {
    let SplitRequest { title, place, most, is_last, .. } = request;
    let (title, place) = (title.clone(), place.clone());
    header(ReaderAsk::Split { title, place, most: *most, is_last: *is_last }, limits)
}

fn header(ask: ReaderAsk, limits: &Limits) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Header { ask, limits: *limits })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A header and the file after it, for a reader that takes one piece.
#[must_use]
pub fn request(header: &[u8], file: &[u8]) -> Vec<u8> {
    [header, file].concat()
}

/// The reader: what a header and the file give, and what [`outcome`] takes.
///
/// # Errors
/// When the bytes are no request.
pub fn answer(request: &[u8]) -> serde_json::Result<Vec<u8>> {
    let end = request.iter().position(|byte| *byte == b'\n').unwrap_or(request.len());
    let (line, file) = request.split_at(end);
    let header: Header = serde_json::from_slice(line)?;
    let file = file.strip_prefix(b"\n").unwrap_or_default();
    match header.ask {
        ReaderAsk::MediaType => serde_json::to_vec(&kind_of(file, &header.limits).map(FileKind::media_type)),
        ReaderAsk::Text { typed: true, .. } => serde_json::to_vec(&extract_typed(file, &header.limits)),
        ReaderAsk::Text { name, from, typed: false } => {
            serde_json::to_vec(&extract(file, &name, from.as_ref(), &header.limits))
        }
        ReaderAsk::Split { title, place, most, is_last } => {
            let outcome = std::str::from_utf8(file)
                .map_err(|_| ExtractFailure::broken())
                .map(|text| split(&Window { text, is_last, title: &title, place: &place, most }));
            serde_json::to_vec(&outcome)
        }
    }
}

/// What the reader said; `None` when it talks nonsense.
#[must_use]
pub fn outcome<T: DeserializeOwned>(answer: &[u8]) -> Option<Result<T, ExtractFailure>> {
    serde_json::from_slice(answer).ok()
}
