//! A request and its answer as bytes, for a reader that runs apart from its host: one line of JSON and the file; one
//! JSON value.

use frontdesk_ports::{ExtractFailure, ExtractRequest, Resume};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Kind, Limits, extract, kind_of};

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
    ask: Ask,
    limits: Limits,
}

/// What is wanted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// The type alone.
    MediaType,
    /// The text.
    Text { name: String, from: Option<Resume> },
}

/// What the reader gets to tell a file's text.
///
/// # Errors
/// Never with these types; serialisation says so by its type.
pub fn request(request: &ExtractRequest, limits: &Limits) -> serde_json::Result<Vec<u8>> {
    ask(Ask::Text { name: request.name.clone(), from: request.from.clone() }, &request.bytes, limits)
}

/// What the reader gets to tell a file's type.
///
/// # Errors
/// As [`request`].
pub fn media_type_request(file: &[u8], limits: &Limits) -> serde_json::Result<Vec<u8>> {
    ask(Ask::MediaType, file, limits)
}

fn ask(ask: Ask, file: &[u8], limits: &Limits) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Header { ask, limits: *limits })?;
    bytes.reserve(file.len().saturating_add(1));
    bytes.push(b'\n');
    bytes.extend_from_slice(file);
    Ok(bytes)
}

/// The reader: what [`request`] or [`media_type_request`] gave, and what [`outcome`] takes.
///
/// # Errors
/// When the bytes are no request.
pub fn answer(request: &[u8]) -> serde_json::Result<Vec<u8>> {
    let end = request.iter().position(|byte| *byte == b'\n').unwrap_or(request.len());
    let (line, file) = request.split_at(end);
    let header: Header = serde_json::from_slice(line)?;
    let file = file.strip_prefix(b"\n").unwrap_or_default();
    match header.ask {
        Ask::MediaType => serde_json::to_vec(&kind_of(file, &header.limits).map(Kind::media_type)),
        Ask::Text { name, from } => serde_json::to_vec(&extract(file, &name, from.as_ref(), &header.limits)),
    }
}

/// What the reader said; `None` when it talks nonsense.
#[must_use]
pub fn outcome<T: DeserializeOwned>(answer: &[u8]) -> Option<Result<T, ExtractFailure>> {
    serde_json::from_slice(answer).ok()
}
