//! The search tester: what retrieval finds for a question, with its scores.

use frontdesk_domain::error::{CallerError, Error, FieldError, Result};
use frontdesk_domain::id::DocumentId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::SearchMode;
use frontdesk_domain::text::is_blank;
use frontdesk_ports::{Ctx, Rows};

use crate::documents::Document;
use crate::retrieval::{self, MAX_QUERY_CHARS, Results, Search};
use crate::{settings, store};

/// The most passages that are shown.
pub const MAX_SHOWN: u32 = 50;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The question, 1 to [`MAX_QUERY_CHARS`] characters.
    pub query: String,
    /// How many passages at most, 1 to [`MAX_SHOWN`]; the setting when absent.
    pub limit: Option<u32>,
    /// How to match; the setting when absent.
    pub mode: Option<SearchMode>,
}

/// What was found, and how long it took.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was found. Nothing is left out for lack of evidence: an operator who tests wants to see it.
    pub results: Results,
    /// The documents of what was found that could not be read whole.
    pub incomplete: Vec<Document>,
    /// In milliseconds.
    pub took_ms: u64,
}

/// Searches as a turn does, with the organisation's settings where the caller does not say otherwise.
///
/// # Errors
/// 422 naming every wrong field; 422 for vector mode without an embedding model; upstream errors.
pub async fn search(ctx: &Ctx, scope: &TenantScope, ask: Ask) -> Result<Answer> {
    let mut wrong = Vec::new();
    let chars = ask.query.chars().count();
    if is_blank(&ask.query) || chars > MAX_QUERY_CHARS {
        let detail = format!("must have 1 to {MAX_QUERY_CHARS} characters, has {chars}");
        wrong.push(FieldError { pointer: "/query".to_owned(), detail });
    }
    if ask.limit.is_some_and(|limit| !(1..=MAX_SHOWN).contains(&limit)) {
        wrong.push(FieldError { pointer: "/limit".to_owned(), detail: format!("must be 1 to {MAX_SHOWN}") });
    }
    if ask.mode == Some(SearchMode::Vector) && !retrieval::has_embedding_model(ctx) {
        let detail = "vector search needs an embedding model, and none is configured".to_owned();
        wrong.push(FieldError { pointer: "/mode".to_owned(), detail });
    }
    if !wrong.is_empty() {
        return Err(Error::Caller(CallerError::Invalid(wrong)));
    }
    let began = ctx.clock.now();
    let settings = settings::current(ctx, scope).await?;
    let search = Search {
        query: ask.query,
        limit: ask.limit.unwrap_or(settings.retrieval.passages).clamp(1, MAX_SHOWN),
        mode: ask.mode.unwrap_or(settings.retrieval.mode),
        vector_weight: settings.retrieval.vector_weight,
        words: None,
    };
    let results = retrieval::search(ctx, scope, &search).await?;
    let incomplete = incomplete(ctx, scope, &results).await?;
    let took_ms = u64::try_from(ctx.clock.now().since(began).as_millis()).unwrap_or(u64::MAX);
    Ok(Answer { results, incomplete, took_ms })
}

async fn incomplete(ctx: &Ctx, scope: &TenantScope, results: &Results) -> Result<Vec<Document>> {
    let mut ids: Vec<DocumentId> = results.passages.iter().map(|found| found.document_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let selects: Vec<_> = ids.into_iter().map(|id| store::documents::select(scope, id)).collect();
    if selects.is_empty() {
        return Ok(Vec::new());
    }
    let rows = ctx.db.query(selects).await?;
    let documents = rows.iter().filter_map(Rows::first).map(store::documents::document);
    let documents = documents.collect::<Result<Vec<Document>, _>>()?;
    Ok(documents.into_iter().filter(|document| !document.warnings.is_empty()).collect())
}
