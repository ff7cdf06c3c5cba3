//! The write side: what one version of a document puts into the index, a few passages at a time.

use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::DocumentId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Ctx, Statement, VectorRecord};

use crate::store;

pub use crate::store::documents::Keep;
pub use crate::store::passages::{NewPassage, Origin};

/// The statements that index passages of one version, a hundred or so, for the caller's atomic batch: their words and,
/// with an embedding model, their vectors. They are found once the document's row names the version.
///
/// # Errors
/// When the embeddings endpoint or the vector index fails.
pub async fn index(
    ctx: &Ctx,
    scope: &TenantScope,
    origin: &Origin,
    passages: &[NewPassage],
) -> Result<Vec<Statement>> {
    let mut statements = store::passages::insert(scope, origin, passages).to_vec();
    let Some((endpoint, model)) = super::search::embedding_endpoint(ctx) else { return Ok(statements) };
    let texts: Vec<String> = passages
        .iter()
        .map(|passage| {
            let heading = passage.span.heading.as_deref().unwrap_or("");
            format!("{}\n{heading}\n{}", origin.title, passage.text)
        })
        .collect();
    let vectors = super::search::embeddings(ctx, endpoint, &texts).await?;
    if vectors.len() != passages.len() {
        return Err(Error::ours(format!("{} vectors for {} passages", vectors.len(), passages.len())));
    }
    let records = passages
        .iter()
        .zip(vectors)
        .map(|(passage, vector)| VectorRecord {
            passage: passage.id,
            document: origin.document,
            version: origin.version,
            vector,
        })
        .collect();
    statements.extend(ctx.vectors.upsert(scope, model, records).await?);
    Ok(statements)
}

/// The statements that leave one version of a document in the index, or none, for the caller's atomic batch, before the
/// document's row changes. Vectors in the same database go too; an index elsewhere is told by `ctx.vectors.delete`.
#[must_use]
pub fn unindex(scope: &TenantScope, document: DocumentId, keep: Keep) -> Vec<Statement> {
    let mut statements = vec![store::passages::count(scope, document, keep)];
    statements.extend(store::passages::delete_others(scope, document, keep));
    statements.push(store::vectors::delete_others(scope, document, keep));
    statements
}
