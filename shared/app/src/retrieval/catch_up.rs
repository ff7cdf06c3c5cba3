//! Vectors that are missing, made in the background: those of documents that were read while the embedding model did not
//! answer, and all of them when the model, or the length of its vectors, is another one. Meanwhile words find them.

use frontdesk_clients::openai;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{DocumentId, OrgId};
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::{Ctx, ModelEndpoint, Rows, Statement};
use serde::{Deserialize, Serialize};

use super::index::{Embeddable, records};
use super::search::{QUESTION_DEADLINE, embedding_endpoint};
use crate::jobs::{self, Ended, Failure};
use crate::store;
use crate::store::jobs::Claimed;

/// What any embedding model takes.
const PLAIN_WORD: &str = "length";

/// How many passages one step embeds.
const SLICE: u32 = 64;

/// Where a job is, as its row keeps it; nothing when it is between two documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct CatchUpAt {
    org: OrgId,
    document: DocumentId,
    version: u32,
    ordinal: u64,
}

/// How many documents wait for vectors of the configured model, up to `most`.
///
/// # Errors
/// When the database is out of reach.
pub async fn waiting(ctx: &Ctx, most: u32) -> Result<u64> {
    let Some((endpoint, model)) = embedding_endpoint(ctx) else { return Ok(0) };
    let count =
        store::document_vectors::count_waiting(model, length(ctx, endpoint, model), is_here(ctx), most);
    let rows = ctx.db.query(vec![count]).await?;
    Ok(rows.first().and_then(Rows::first).map(|row| row.count(0)).transpose()?.unwrap_or(0))
}

/// A step of the job: the next passages of the document it is at, or the next document.
///
/// # Errors
/// [`Failure`]; nothing of the step is stored then.
pub async fn step(ctx: &Ctx, job: &Claimed) -> Result<Ended, Failure> {
    let Some((endpoint, model)) = embedding_endpoint(ctx) else {
        return jobs::finish(ctx, job, Vec::new()).await;
    };
    let at = match serde_json::from_str::<CatchUpAt>(&job.payload) {
        Ok(at) => at,
        Err(_) => match next(ctx, endpoint, model).await? {
            Some(at) => at,
            None => return jobs::finish(ctx, job, Vec::new()).await,
        },
    };
    #[expect(clippy::disallowed_methods, reason = "the job acts for the organisation of each document")]
    let scope = TenantScope::authenticated(at.org, Actor::System);
    let page = store::passage_pages::select_indexed(&scope, at.document, at.version, at.ordinal, SLICE);
    let rows = ctx.db.query(vec![store::documents::select(&scope, at.document), page]).await?;
    let document = rows.first().and_then(Rows::first).map(store::documents::document).transpose()?;
    // Another version has vectors of its own, or none yet; what is gone needs none.
    let Some(document) = document.filter(|document| document.version == at.version) else {
        return jobs::go_on(ctx, job, "{}", Vec::new()).await;
    };
    let mut passages = Vec::new();
    for row in rows.get(1).map(|rows| rows.rows.as_slice()).unwrap_or_default() {
        let passage = store::passage_pages::indexed(row)?;
        if passage.version == at.version {
            passages.push(passage);
        }
    }
    let embeddable: Vec<Embeddable<'_>> =
        passages.iter().map(|passage| Embeddable::of(&document, passage)).collect();
    let mut made = Vec::new();
    if !embeddable.is_empty() {
        match records(ctx, &embeddable, ctx.vectors.vectors_per_passage()).await {
            Ok(records) => {
                if is_here(ctx) {
                    // Vectors of another length cannot stand beside these.
                    let length = length(ctx, endpoint, model);
                    ctx.db.batch(vec![store::vectors::delete_other_lengths(&scope, model, length)]).await?;
                }
                made = ctx.vectors.upsert(&scope, model, records).await?;
            }
            // An endpoint that takes another text refuses these. They are found by words, and keep no other document waiting.
            Err(error) if makes_vectors(ctx, endpoint).await => {
                tracing::warn!(document = %at.document, from = at.ordinal, count = passages.len(), %error, "passages have no vectors: their texts are refused");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let full = passages.len() >= usize::try_from(SLICE).unwrap_or(usize::MAX);
    if let Some(last) = passages.last().filter(|_| full) {
        let next = CatchUpAt { ordinal: last.ordinal.saturating_add(1), ..at };
        let next = serde_json::to_string(&next).map_err(|error| Error::ours(error.to_string()))?;
        return jobs::go_on(ctx, job, &next, made).await;
    }
    made.push(store::vectors::delete_other_models(&scope, at.document, model));
    made.push(store::document_vectors::upsert(
        &scope,
        at.document,
        at.version,
        model,
        length(ctx, endpoint, model),
    ));
    tracing::info!(document = %at.document, "vectors of a document were made");
    jobs::go_on(ctx, job, "{}", made).await
}

/// Whether the endpoint makes a vector of a plain word.
async fn makes_vectors(ctx: &Ctx, endpoint: &ModelEndpoint) -> bool {
    openai::embed_question(ctx, endpoint, PLAIN_WORD, QUESTION_DEADLINE.saturating_mul(8)).await.is_ok()
}

/// The first document that waits.
async fn next(ctx: &Ctx, endpoint: &ModelEndpoint, model: &str) -> Result<Option<CatchUpAt>, Failure> {
    if length(ctx, endpoint, model) == 0 {
        // How long its vectors are, only a vector tells. Where it makes none, there is nothing to be done.
        openai::embed_question(ctx, endpoint, PLAIN_WORD, QUESTION_DEADLINE.saturating_mul(8)).await?;
    }
    let select =
        store::document_vectors::select_waiting(model, length(ctx, endpoint, model), is_here(ctx), 1);
    let rows = ctx.db.query(vec![select]).await?;
    let waiting = rows.first().and_then(Rows::first).map(store::document_vectors::waiting).transpose()?;
    Ok(waiting.map(|waiting| CatchUpAt {
        org: waiting.org,
        document: waiting.document,
        version: waiting.version,
        ordinal: 0,
    }))
}

/// How long the model's vectors are, as far as this process knows; 0 otherwise.
fn length(ctx: &Ctx, endpoint: &ModelEndpoint, model: &str) -> usize {
    openai::vector_length(ctx, endpoint, model).unwrap_or(0)
}

/// Whether the vectors are in the same database.
fn is_here(ctx: &Ctx) -> bool {
    ctx.vectors.is_here()
}

/// The note of a version whose vectors are made, or put off.
pub(crate) fn note(
    ctx: &Ctx,
    scope: &TenantScope,
    document: DocumentId,
    version: u32,
    made: bool,
) -> Option<Statement> {
    let (endpoint, model) = embedding_endpoint(ctx)?;
    let (model, length) = if made { (model, length(ctx, endpoint, model)) } else { ("", 0) };
    Some(store::document_vectors::upsert(scope, document, version, model, length))
}
