//! `POST /api/v1/search`: what retrieval finds for a question.

use frontdesk_app::documents::Document;
use frontdesk_app::retrieval::Found;
use frontdesk_app::search::{self, Ask};
use frontdesk_domain::error::Result;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::settings::SearchMode;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json};
use crate::documents::DocumentWarning;
use crate::problem::Problem;

/// A question.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The question.
    #[schema(min_length = 1, max_length = 2000, pattern = r"\S")]
    query: String,
    /// How many passages at most; the setting `retrieval.passages` when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 50)]
    limit: Option<u32>,
    /// How to match; the setting `retrieval.mode` when absent.
    #[serde(default)]
    mode: Option<SearchMode>,
}

/// What was found.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SearchResponse {
    /// The passages, best first.
    passages: Vec<FoundPassage>,
    /// The documents of these passages of which something could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<IncompleteDocument>,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// Whether vectors were wanted and could not be had, so that words alone were searched.
    stepped_down: bool,
}

/// A document of which something could not be read.
#[derive(Serialize, utoipa::ToSchema)]
pub struct IncompleteDocument {
    /// Its id.
    document_id: DocumentId,
    /// Its title.
    title: String,
    /// What is missing.
    #[schema(max_items = 50)]
    warnings: Vec<DocumentWarning>,
}

impl From<Document> for IncompleteDocument {
    fn from(document: Document) -> Self {
        let warnings = document.warnings.iter().map(Into::into).collect();
        Self { document_id: document.id, title: document.title, warnings }
    }
}

/// A passage with its scores.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FoundPassage {
    /// The document.
    document_id: DocumentId,
    /// Its title.
    title: String,
    /// Its version.
    #[schema(minimum = 1)]
    version: u32,
    /// The passage.
    passage_id: PassageId,
    /// First byte in the extracted text of that version.
    start: u64,
    /// The byte after the last one.
    end: u64,
    /// The headings above it, outermost first.
    heading: Option<String>,
    /// The text.
    text: String,
    /// Where the document came from, if it was a web page.
    url: Option<String>,
    /// What it is ranked by.
    score: f64,
    /// BM25; null when words did not find it or were not asked.
    lexical_score: Option<f64>,
    /// Cosine similarity; null when vectors did not find it or were not asked.
    vector_score: Option<f64>,
    /// How much of the question it covers.
    #[schema(minimum = 0, maximum = 1)]
    evidence: f64,
}

impl From<Found> for FoundPassage {
    fn from(found: Found) -> Self {
        Self {
            document_id: found.document_id,
            title: found.title,
            version: found.version,
            passage_id: found.passage_id,
            start: found.start,
            end: found.end,
            heading: found.heading,
            text: found.text,
            url: found.url,
            score: found.score,
            lexical_score: found.lexical_score,
            vector_score: found.vector_score,
            evidence: found.evidence,
        }
    }
}

/// Searches the organisation's documents as a turn does, and shows the scores.
#[utoipa::path(
    post, path = "/api/v1/search", tag = "documents", security(("bearer" = [])), request_body = SearchRequest,
    responses(
        (status = 200, body = SearchResponse),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn search(mut call: Call) -> Result<Response<Body>> {
    let request: SearchRequest = call.json().await?;
    let ask = Ask { query: request.query, limit: request.limit, mode: request.mode };
    let answer = search::search(&call.ctx, call.scope()?, ask).await?;
    let response = SearchResponse {
        passages: answer.results.passages.into_iter().map(FoundPassage::from).collect(),
        incomplete: answer.incomplete.into_iter().map(Into::into).collect(),
        took_ms: answer.took_ms,
        stepped_down: answer.results.stepped_down,
    };
    json(StatusCode::OK, &response)
}
