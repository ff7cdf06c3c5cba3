//! Text from untrusted files.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A file to read.
#[derive(Debug, Clone)]
pub struct ExtractRequest {
    /// The file.
    pub bytes: Bytes,
    /// The name it was uploaded under, or the address it came from: a hint for a missing title, never for the type.
    pub name: String,
    /// How long it may take.
    pub deadline: Duration,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// The type, by content: `text/plain`, `text/markdown`, `text/html`, `text/csv`, `application/pdf` or
    /// `application/vnd.openxmlformats-officedocument.wordprocessingml.document`.
    pub media_type: String,
    /// The document's own title.
    pub title: Option<String>,
    /// The text, as Markdown: headings, lists, table rows as `header: value` lines. Never empty.
    pub text: String,
    /// Pages, where the format has them.
    pub pages: Option<u32>,
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ExtractFailure {
    /// None of the accepted types.
    #[error("unsupported file type: {found}")]
    Unsupported {
        /// What it looks like.
        found: String,
    },
    /// Encrypted, broken, or empty: `reason` is for the person who uploaded it.
    #[error("{reason}")]
    Unreadable {
        /// What is wrong, in words.
        reason: String,
    },
    /// A limit was hit.
    #[error("{what} is over the limit of {limit}")]
    OverLimit {
        /// What: `pages`, `unpacked size in bytes`, `text in bytes`, `seconds`, `memory in bytes`.
        what: String,
        /// The limit.
        limit: u64,
    },
}

/// Reads untrusted files, contained: a parser that hangs, eats memory or dies takes nothing else with it where the host
/// can do that.
#[async_trait(?Send)]
pub trait Extractor {
    /// The text of a file.
    ///
    /// # Errors
    /// [`ExtractFailure`].
    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure>;
}
