//! The write side: what one version of a document puts into the index, a few passages at a time.

use frontdesk_clients::openai;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text;
use frontdesk_ports::{Ctx, Statement, VectorRecord};

use crate::store;
use crate::store::documents::Document;
use crate::store::passage_pages::IndexedPassage;

pub use crate::store::documents::Keep;
pub use crate::store::passages::{NewPassage, Origin};

/// The statements that index passages of one version, a hundred or so, for the caller's atomic batch: their words and,
/// with an embedding model, their vectors, and whether those are among them. They are found once the document's row names
/// the version. While the embedding model or the index does not answer, words find them; vectors are made later
/// ([`super::catch_up`]).
///
/// # Errors
/// When the database fails.
pub async fn index(
    ctx: &Ctx,
    scope: &TenantScope,
    origin: &Origin,
    passages: &[NewPassage],
    with_vectors: bool,
) -> Result<(Vec<Statement>, bool)> {
    let mut statements = store::passages::insert(scope, origin, passages).to_vec();
    let Some((_, model)) = super::search::embedding_endpoint(ctx).filter(|_| with_vectors) else {
        return Ok((statements, false));
    };
    let passages: Vec<Embeddable<'_>> = passages
        .iter()
        .map(|passage| Embeddable {
            id: passage.id,
            document: origin.document,
            version: origin.version,
            title: &origin.title,
            heading: passage.heading.as_deref(),
            text: &passage.text,
        })
        .collect();
    let records = match records(ctx, &passages, ctx.vectors.vectors_per_passage()).await {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(document = %origin.document, %error, "a document is read without vectors; they are made later");
            return Ok((statements, false));
        }
    };
    match ctx.vectors.upsert(scope, model, records).await {
        Ok(upsert) => statements.extend(upsert),
        // An index elsewhere is away, or those that are there are of another length: then all are made anew, one after the
        // other.
        Err(error @ Error::Upstream { service: "vectors", .. }) => {
            tracing::warn!(document = %origin.document, %error, "a document is read without vectors; they are made later");
            return Ok((statements, false));
        }
        Err(error) => return Err(error),
    }
    Ok((statements, true))
}

/// The statements that leave one version of a document in the index, or none, for the caller's atomic batch, before the
/// document's row changes. Vectors in the same database go too; an index elsewhere is told by `ctx.vectors.delete`.
#[must_use]
pub fn unindex(scope: &TenantScope, document: DocumentId, keep: Keep) -> Vec<Statement> {
    let mut statements = vec![store::passages::count(scope, document, keep)];
    statements.extend(store::passages::delete_others(scope, document, keep));
    statements.push(store::vectors::delete_others(scope, document, keep));
    statements.push(store::document_vectors::delete_others(scope, document, keep));
    statements
}

/// A passage as the embedding model is to see it.
pub(crate) struct Embeddable<'a> {
    /// Its id.
    pub id: PassageId,
    /// Its document.
    pub document: DocumentId,
    /// The document's version.
    pub version: u32,
    /// The document's title.
    pub title: &'a str,
    /// The path of headings above it.
    pub heading: Option<&'a str>,
    /// Its text.
    pub text: &'a str,
}

impl<'a> Embeddable<'a> {
    /// A passage that is stored.
    pub fn of(document: &'a Document, passage: &'a IndexedPassage) -> Self {
        Self {
            id: passage.id,
            document: document.id,
            version: passage.version,
            title: &document.title,
            heading: passage.heading.as_deref(),
            text: &passage.text,
        }
    }

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

/// The vectors of some passages, up to `most` for each.
///
/// # Errors
/// When the embeddings endpoint fails or none is configured.
pub(crate) async fn records(
    ctx: &Ctx,
    passages: &[Embeddable<'_>],
    most: usize,
) -> Result<Vec<VectorRecord>> {
    let Some((endpoint, _)) = super::search::embedding_endpoint(ctx) else {
        return Err(Error::ours("no embedding model is configured"));
    };
    let texts: Vec<Vec<String>> = passages.iter().map(|passage| passage.texts(most)).collect();
    // One for each text, or an error.
    let mut vectors = openai::embed(ctx, endpoint, &texts.concat()).await?.into_iter();
    Ok(passages
        .iter()
        .zip(&texts)
        .map(|(passage, texts)| VectorRecord {
            passage: passage.id,
            document: passage.document,
            version: passage.version,
            vectors: vectors.by_ref().take(texts.len()).flatten().collect(),
        })
        // Of a text that has none the words are found.
        .filter(|record| !record.vectors.is_empty())
        .collect())
}
