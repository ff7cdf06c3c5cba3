//! Text from untrusted files.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_domain::document::reasons::{self, Told};
pub use frontdesk_domain::document::{NotRead, UnreadPart};
use frontdesk_domain::settings::UPLOAD_TYPES;
use frontdesk_domain::text::{Split, TextPlace, Window};
use serde::{Deserialize, Serialize};

/// A file to read.
#[derive(Debug, Clone)]
pub struct ExtractRequest {
    /// The file.
    pub bytes: Bytes,
    /// The name it was uploaded under, or the address it came from: a hint for a missing title, never for the type.
    pub name: String,
    /// Where to go on; `None` from the beginning.
    pub from: Option<Resume>,
    /// Whether it was typed in: then it is text, whatever it looks like.
    pub typed: bool,
    /// How long it may take.
    pub deadline: Duration,
}

/// A window of the text that came out of a file.
#[derive(Debug, Clone)]
pub struct SplitRequest {
    /// The text, from `place` on.
    pub text: String,
    /// Whether the document ends with it.
    pub is_last: bool,
    /// The document's title.
    pub title: String,
    /// What stands above.
    pub place: TextPlace,
    /// How many passages are wanted at most; not 0.
    pub most: usize,
    /// How long it may take.
    pub deadline: Duration,
}

impl SplitRequest {
    /// The window.
    #[must_use]
    pub fn window(&self) -> Window<'_> {
        Window {
            text: &self.text,
            is_last: self.is_last,
            title: &self.title,
            place: &self.place,
            most: self.most,
        }
    }
}

/// Where the reading of a long file goes on: what the next part has to know of those before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// How many pages were read.
    pub page: u32,
    /// How many bytes of text they gave.
    pub text: u64,
    /// The font sizes of headings, largest first, in quarters of a point.
    pub headings: Vec<i64>,
}

/// What was read: a whole file, or a part of a long one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// The type, by content: `text/plain`, `text/markdown`, `text/html`, `text/csv`, `application/pdf` or
    /// `application/vnd.openxmlformats-officedocument.wordprocessingml.document`.
    pub media_type: String,
    /// The document's own title.
    pub title: Option<String>,
    /// The text, as Markdown: headings, lists, table rows as `header: value` lines. The texts of all parts, one after
    /// the other, are the document's and never empty.
    pub text: String,
    /// Pages of the whole file, where the format has them.
    pub pages: Option<u32>,
    /// Where the next part begins; `None` after the last one.
    pub rest: Option<Resume>,
    /// What could not be read of this part; a few entries at most.
    #[serde(default)]
    pub unread: Vec<NotRead>,
}

/// The longest text of a document, in bytes.
pub const MAX_TEXT: u64 = 8 << 20;

/// The most sizes of headings that a part tells the next one.
const MAX_HEADINGS: usize = 64;

impl Extracted {
    /// Whether this can be the part of a text that begins at `from`: of a type that is read, bounded, and leading on, so that
    /// a reader that a hostile file has broken cannot be asked for ever.
    #[must_use]
    pub fn fits(&self, from: Option<&Resume>) -> bool {
        let (page, before) = from.map_or((0, 0), |from| (from.page, from.text));
        let length = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
        let leads_on = self.rest.as_ref().is_none_or(|rest| {
            rest.page > page && rest.text >= before && rest.headings.len() <= MAX_HEADINGS
        });
        UPLOAD_TYPES.contains(&self.media_type.as_str())
            && before.saturating_add(length) <= MAX_TEXT
            && leads_on
            && self.unread.iter().all(NotRead::is_short)
    }
}

/// Why nothing was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ExtractFailure {
    /// None of the accepted types.
    #[error("{}", self.told())]
    Unsupported {
        /// What it looks like.
        found: String,
    },
    /// Encrypted, broken, or empty: `reason` is for the person who uploaded it.
    #[error("{}", self.told())]
    Unreadable {
        /// What is wrong, in words.
        reason: String,
    },
    /// A limit was hit.
    #[error("{}", self.told())]
    OverLimit {
        /// What, by a name of [`reasons::over`].
        what: String,
        /// The limit.
        limit: u64,
    },
    /// The reader of files does not answer now; the file may be fine.
    #[error("{}", self.told())]
    Unavailable,
    /// The reader took the file and gave no answer within so many seconds. It may have been busy with others.
    #[error("{}", self.told())]
    Silent {
        /// The seconds.
        seconds: u64,
    },
    /// The reader took the file and broke off. The file may have ended it, or what ended it was something else.
    #[error("{}", self.told())]
    Lost,
}

impl From<reasons::Reason> for ExtractFailure {
    fn from(reason: reasons::Reason) -> Self {
        Self::Unreadable { reason: reason.en.to_owned() }
    }
}

impl ExtractFailure {
    /// Why, for the person who added the document.
    #[must_use]
    pub fn told(&self) -> Told {
        match self {
            Self::Unsupported { found } => reasons::UNSUPPORTED.with(&[found]),
            Self::Unreadable { reason } => Told::by_reader(reason),
            Self::OverLimit { what, limit } => reasons::over(what, *limit),
            Self::Unavailable => reasons::READER_AWAY.told(),
            Self::Silent { seconds } => reasons::READER_SILENT.with(&[seconds]),
            Self::Lost => reasons::READER_LOST.told(),
        }
    }

    /// Whether the file may be fine, so that another attempt may end otherwise.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable | Self::Silent { .. } | Self::Lost)
    }

    /// What is left to say when the reader of a file died.
    #[must_use]
    pub fn broken() -> Self {
        reasons::BROKEN.into()
    }

    /// The reader of a file wanted more than `limit` bytes of memory.
    #[must_use]
    pub fn out_of_memory(limit: u64) -> Self {
        Self::OverLimit { what: "memory in bytes".to_owned(), limit }
    }
}

/// Reads untrusted files, contained: a parser that hangs, eats memory or dies takes nothing else with it where the host
/// can do that.
#[async_trait(?Send)]
pub trait Extractor {
    /// The largest file that is read, in bytes.
    fn max_bytes(&self) -> u64 {
        u64::MAX
    }

    /// The type of a file, by content.
    ///
    /// # Errors
    /// [`ExtractFailure`] when it is empty, locked or none of the accepted types.
    async fn media_type(&self, bytes: &Bytes) -> Result<String, ExtractFailure>;

    /// The text of a file, or of the part of it that begins at `request.from`.
    ///
    /// # Errors
    /// [`ExtractFailure`].
    async fn extract(&self, request: ExtractRequest) -> Result<Extracted, ExtractFailure>;

    /// The next passages of the text that came out of a file, with their terms. What it gives is checked by the caller
    /// ([`Split::fits`]).
    ///
    /// # Errors
    /// [`ExtractFailure`].
    async fn split(&self, request: &SplitRequest) -> Result<Split, ExtractFailure>;
}
