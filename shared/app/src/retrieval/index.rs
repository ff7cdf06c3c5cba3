//! The write side: what one version of a document puts into the index.

use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text::{self, Language, Span};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Statement, VectorRecord};

use crate::store;
use crate::store::passages::{NewPassage, Origin, PER_STATEMENT};

/// One version of a document, ready to be indexed.
#[derive(Debug, Clone)]
pub struct IndexedDocument {
    /// The document.
    pub document_id: DocumentId,
    /// The version, from 1.
    pub version: u32,
    /// The title; searched with every passage.
    pub title: String,
    /// The language; the document's row must name the same.
    pub language: Language,
    /// The extracted text that byte offsets refer to.
    pub text: String,
    /// When this version was made.
    pub created_at: Timestamp,
}

impl IndexedDocument {
    /// The pieces it is indexed in. One [`PassageId`] is needed for each.
    #[must_use]
    pub fn passages(&self) -> Vec<Span> {
        text::passages(&self.text)
    }
}

/// The statements that write the passages of one version, for the caller's atomic batch. They are found once the
/// document's row names this version. `spans` are [`IndexedDocument::passages`], `ids` one new id for each.
#[must_use]
pub fn index(
    scope: &TenantScope,
    document: &IndexedDocument,
    spans: &[Span],
    ids: &[PassageId],
) -> Vec<Statement> {
    let origin = Origin {
        document: document.document_id,
        version: document.version,
        title: &document.title,
        language: document.language,
        created_at: document.created_at,
    };
    let passages: Vec<NewPassage<'_>> = spans
        .iter()
        .zip(ids)
        .enumerate()
        .filter_map(|(ordinal, (span, id))| {
            let text = document.text.get(span.start..span.end)?;
            Some(NewPassage { id: *id, ordinal, span, text })
        })
        .collect();
    passages.chunks(PER_STATEMENT).flat_map(|chunk| store::passages::insert(scope, &origin, chunk)).collect()
}

/// The statements that take a document out of the index, for the caller's atomic batch: all its versions, or all but
/// the one to keep. Vectors in the same database go too; an index elsewhere is told by `ctx.vectors.delete`.
#[must_use]
pub fn unindex(scope: &TenantScope, document: DocumentId, keep_version: Option<u32>) -> Vec<Statement> {
    let mut statements = store::passages::delete(scope, document, keep_version).to_vec();
    statements.push(store::vectors::delete_others(scope, document, keep_version));
    statements
}

/// Makes and stores the vectors of one version; to be called before the document's row names it, so that they are
/// found in the same moment as its words. Without an embedding model it does nothing. Returns how many were stored.
///
/// # Errors
/// When the embeddings endpoint or the vector index fails.
pub async fn embed(
    ctx: &Ctx,
    scope: &TenantScope,
    document: &IndexedDocument,
    spans: &[Span],
    ids: &[PassageId],
) -> Result<usize> {
    let Some((endpoint, model)) = super::search::embedding_endpoint(ctx) else { return Ok(0) };
    let texts: Vec<String> = spans
        .iter()
        .map(|span| {
            let body = document.text.get(span.start..span.end).unwrap_or("");
            let heading = span.heading.as_deref().unwrap_or("");
            format!("{}\n{heading}\n{body}", document.title)
        })
        .collect();
    let vectors = super::search::embeddings(ctx, endpoint, &texts).await?;
    if vectors.len() != ids.len() {
        return Err(Error::ours(format!("{} vectors for {} passages", vectors.len(), ids.len())));
    }
    let records: Vec<VectorRecord> = ids
        .iter()
        .zip(vectors)
        .map(|(id, vector)| VectorRecord {
            passage: *id,
            document: document.document_id,
            version: document.version,
            vector,
        })
        .collect();
    let stored = records.len();
    ctx.vectors.upsert(scope, model, records).await?;
    Ok(stored)
}
