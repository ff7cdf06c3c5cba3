//! A request and its answer as bytes, for a reader that runs apart from its host: one line of JSON and the file; one
//! JSON value.

use frontdesk_ports::{ExtractFailure, ExtractRequest, Extracted, Resume};
use serde::{Deserialize, Serialize};

use crate::{Limits, extract};

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
    name: String,
    from: Option<Resume>,
    limits: Limits,
}

/// What the reader gets.
///
/// # Errors
/// Never with these types; serialisation says so by its type.
pub fn request(request: &ExtractRequest, limits: &Limits) -> serde_json::Result<Vec<u8>> {
    let header = Header { name: request.name.clone(), from: request.from.clone(), limits: *limits };
    let mut bytes = serde_json::to_vec(&header)?;
    bytes.reserve(request.bytes.len().saturating_add(1));
    bytes.push(b'\n');
    bytes.extend_from_slice(&request.bytes);
    Ok(bytes)
}

/// The reader: what [`request`] gave, and what [`outcome`] takes.
///
/// # Errors
/// When the bytes are no request.
pub fn answer(request: &[u8]) -> serde_json::Result<Vec<u8>> {
    let end = request.iter().position(|byte| *byte == b'\n').unwrap_or(request.len());
    let (line, file) = request.split_at(end);
    let header: Header = serde_json::from_slice(line)?;
    let file = file.strip_prefix(b"\n").unwrap_or_default();
    serde_json::to_vec(&extract(file, &header.name, header.from.as_ref(), &header.limits))
}

/// What the reader said; `None` when it talks nonsense.
#[must_use]
pub fn outcome(answer: &[u8]) -> Option<Result<Extracted, ExtractFailure>> {
    serde_json::from_slice(answer).ok()
}
