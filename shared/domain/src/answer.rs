//! What a turn gives: an outcome, citations and what it used.

use serde::{Deserialize, Serialize};

use crate::id::{DocumentId, PassageId};

/// How a turn ended: which step of the ladder was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The model answered.
    Answered,
    /// The best passage was quoted from the documents.
    Quoted,
    /// Nothing in the documents answers it; the fallback text was given.
    NoAnswer,
    /// An operator was asked to take over.
    HandedOff,
    /// An operator took over or the conversation was closed; nothing was said.
    Cancelled,
    /// It could not be finished; nothing was said.
    Failed,
}

impl Outcome {
    /// The name in the API and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Quoted => "quoted",
            Self::NoAnswer => "no_answer",
            Self::HandedOff => "handed_off",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// A checked reference from an answer to the organisation's own documents. `[n]` in the text refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Citation {
    /// The number in the text, from 1.
    #[schema(minimum = 1)]
    pub n: u32,
    /// The document.
    pub document_id: DocumentId,
    /// Its title.
    pub title: String,
    /// Its version, from 1.
    #[schema(minimum = 1)]
    pub version: u32,
    /// The passage.
    pub passage_id: PassageId,
    /// First byte of the quote in the extracted text of that version.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// The quote: exactly the bytes `start..end` of the extracted text.
    pub quote: String,
    /// Where the document came from, if it was a web page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What a call to a model used, as its provider counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    /// The model that answered.
    pub model: String,
    /// Tokens of the context.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Whether the provider did not count and the tokens are estimated from the length of the texts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}
