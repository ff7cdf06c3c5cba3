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
/// found in the same moment as its words. Without an embedding model it does nothing. Returns how many passages have
/// them.
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
    let Some((_, model)) = super::search::embedding_endpoint(ctx) else { return Ok(0) };
    let passages: Vec<Embeddable<'_>> = spans
        .iter()
        .zip(ids)
        .map(|(span, id)| Embeddable {
            id: *id,
            title: &document.title,
            heading: span.heading.as_deref(),
            text: document.text.get(span.start..span.end).unwrap_or(""),
        })
        .collect();
    let records =
        records(ctx, document.document_id, document.version, &passages, ctx.vectors.vectors_per_passage())
            .await?;
    let stored = records.len();
    ctx.vectors.upsert(scope, model, records).await?;
    Ok(stored)
}

/// A passage as the embedding model is to see it.
pub(crate) struct Embeddable<'a> {
    /// Its id.
    pub id: PassageId,
    /// The document's title.
    pub title: &'a str,
    /// The path of headings above it.
    pub heading: Option<&'a str>,
    /// Its text.
    pub text: &'a str,
}

impl Embeddable<'_> {
    /// The whole and, when more than one vector is wanted, its parts; each under title and heading, which a part needs
    /// even more.
    fn texts(&self, most: usize) -> Vec<String> {
        let parts = if most > 1 { text::parts(self.text, most.saturating_sub(1)) } else { Vec::new() };
        std::iter::once(self.text)
            .chain(parts)
            .map(|body| format!("{}\n{}\n{body}", self.title, self.heading.unwrap_or("")))
            .collect()
    }
}

/// The vectors of some passages of one version, up to `most` for each.
///
/// # Errors
/// When the embeddings endpoint fails or none is configured.
pub(crate) async fn records(
    ctx: &Ctx,
    document: DocumentId,
    version: u32,
    passages: &[Embeddable<'_>],
    most: usize,
) -> Result<Vec<VectorRecord>> {
    let Some((endpoint, _)) = super::search::embedding_endpoint(ctx) else {
        return Err(Error::ours("no embedding model is configured"));
    };
    let texts: Vec<Vec<String>> = passages.iter().map(|passage| passage.texts(most)).collect();
    let vectors = super::search::embeddings(ctx, endpoint, &texts.concat()).await?;
    let mut vectors = vectors.into_iter();
    Ok(passages
        .iter()
        .zip(&texts)
        .map(|(passage, texts)| VectorRecord {
            passage: passage.id,
            document,
            version,
            vectors: vectors.by_ref().take(texts.len()).collect(),
        })
        .collect())
}
