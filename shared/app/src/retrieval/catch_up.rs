//! Vectors that are missing, made in the background: those of documents that were read while the embedding model or the index
//! did not answer, and all of them when the model, the length of its vectors or the place where they are searched is another
//! one. Meanwhile words find them.

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
    /// Passages before have vectors.
    #[serde(default)]
    made: bool,
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
    let (mut made, mut any) = (Vec::new(), at.made);
    if !embeddable.is_empty() {
        match records(ctx, &embeddable, ctx.vectors.vectors_per_passage()).await {
            Ok(records) => {
                any |= !records.is_empty();
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
        let next = CatchUpAt { ordinal: last.ordinal.saturating_add(1), made: any, ..at };
        let next = serde_json::to_string(&next).map_err(|error| Error::ours(error.to_string()))?;
        return jobs::go_on(ctx, job, &next, made).await;
    }
    if is_here(ctx) {
        made.push(store::vectors::delete_other_models(&scope, at.document, model));
    } else {
        made.push(store::vectors::delete(&scope, at.document, None));
    }
    let length = if any { length(ctx, endpoint, model) } else { 0 };
    made.push(store::document_vectors::upsert(&scope, at.document, at.version, model, length, is_here(ctx)));
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
        || store::document_vectors::select_waiting(model, length(ctx, endpoint, model), is_here(ctx), 1);
    let mut rows = ctx.db.query(vec![select()]).await?;
    // An index that is away is asked again the next time.
    if rows.first().and_then(Rows::first).is_none() && matches!(ctx.vectors.holds(model).await, Ok(false)) {
        // Another server, or one that lost them: what is noted of it does not hold.
        let lost = ctx.db.batch(vec![store::document_vectors::put_off(model)]).await?;
        let lost = lost.first().map_or(0, |rows| rows.affected);
        if lost > 0 {
            tracing::warn!(documents = lost, "the vector index has none of this model; all are made anew");
            rows = ctx.db.query(vec![select()]).await?;
        }
    }
    let waiting = rows.first().and_then(Rows::first).map(store::document_vectors::waiting).transpose()?;
    Ok(waiting.map(|waiting| CatchUpAt {
        org: waiting.org,
        document: waiting.document,
        version: waiting.version,
        ordinal: 0,
        made: false,
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

/// The note of a version whose vectors are made, or put off; after what stores them here.
pub(crate) fn note(
    ctx: &Ctx,
    scope: &TenantScope,
    document: DocumentId,
    version: u32,
    made: bool,
) -> Statement {
    let (model, length) = match embedding_endpoint(ctx).filter(|_| made) {
        Some((endpoint, model)) => (model, length(ctx, endpoint, model)),
        None => ("", 0),
    };
    store::document_vectors::upsert(scope, document, version, model, length, is_here(ctx))
}
