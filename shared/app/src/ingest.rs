//! Reading a document: its source → text → passages and vectors → one atomic swap to the new version.

pub mod web;

use std::time::Duration;

use frontdesk_domain::document::{DocumentSource, DocumentStatus, MAX_TITLE_CHARS};
use frontdesk_domain::error::Error;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text;
use frontdesk_ports::{BlobKey, Ctx, DbError, ExtractRequest};
use sha2::{Digest, Sha256};

use crate::documents;
use crate::retrieval::{self, IndexedDocument};
use crate::store;
use crate::store::documents::Document;

pub use crate::store::documents::Holder;

/// How long a file may take to be read.
const EXTRACT_DEADLINE: Duration = Duration::from_secs(60);

/// Why a document was not read.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt would end the same: the reason, for a person.
    Permanent(String),
    /// Something that Frontdesk needs did not answer: the reason, for a person.
    Passing(String),
    /// The document was deleted, or another worker has the job.
    Superseded,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "reading a document was interrupted");
        match error {
            Error::Caller(error) => Self::Permanent(error.to_string()),
            Error::Upstream { service, .. } => {
                Self::Passing(format!("the {service} service does not answer"))
            }
            Error::Ours(_) => Self::Passing("an internal error; it is in the log".to_owned()),
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Error::from(error).into()
    }
}

/// The hash that tells equal content.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Reads the document of a job and swaps the new version in. The job's row goes in the same batch.
///
/// # Errors
/// [`Failure`]; nothing of the new version is left behind then.
pub async fn run(ctx: &Ctx, scope: &TenantScope, id: DocumentId, holder: Holder) -> Result<(), Failure> {
    let rows = ctx.db.query(vec![store::documents::select(scope, id)]).await?;
    let Some(row) = rows.first().and_then(|rows| rows.first()) else { return Err(Failure::Superseded) };
    let document = store::documents::document(row)?;
    progress(ctx, scope, id, 5).await?;

    let source = source(ctx, scope, &document).await?;
    let hash = content_hash(&source.bytes);
    let fetched = document.source == DocumentSource::Url;
    if fetched && document.version > 0 && document.content_hash.as_deref() == Some(&hash) {
        let unchanged = store::documents::update_unchanged(scope, id, ctx.clock.now());
        ctx.db.batch(vec![unchanged, store::jobs::delete(scope, holder.job)]).await?;
        return Ok(());
    }
    if fetched {
        refuse_copy(ctx, scope, id, &hash).await?;
    }
    progress(ctx, scope, id, 20).await?;

    let bytes = u64::try_from(source.bytes.len()).unwrap_or(u64::MAX);
    let request = ExtractRequest { bytes: source.bytes, name: source.name, deadline: EXTRACT_DEADLINE };
    let extracted =
        ctx.extractor.extract(request).await.map_err(|failure| Failure::Permanent(failure.to_string()))?;
    progress(ctx, scope, id, 50).await?;

    let now = ctx.clock.now();
    let title = match document.source {
        DocumentSource::Text => document.title.clone(),
        DocumentSource::File | DocumentSource::Url => {
            let own = extracted.title.unwrap_or_else(|| document.title.clone());
            own.chars().take(MAX_TITLE_CHARS).collect()
        }
    };
    let language = text::detect(&extracted.text);
    let version =
        document.version.checked_add(1).ok_or_else(|| Error::ours("a document has no versions left"))?;
    let indexed = IndexedDocument {
        document_id: id,
        version,
        title: title.clone(),
        language,
        text: extracted.text,
        created_at: now,
    };
    let spans = indexed.passages();
    let ids: Vec<PassageId> = spans.iter().map(|_| PassageId::new(now, ctx.random.entropy())).collect();
    retrieval::embed(ctx, scope, &indexed, &spans, &ids).await?;
    progress(ctx, scope, id, 90).await?;

    let new = Document {
        title,
        media_type: Some(extracted.media_type),
        bytes,
        content_hash: Some(hash),
        version,
        language: Some(language.code().to_owned()),
        status: DocumentStatus::Ready,
        progress: 100,
        reason: None,
        updated_at: now,
        ..document.clone()
    };
    let versions = (document.version, version);
    let mut swap =
        vec![store::documents::insert_text(scope, id, versions, holder, &indexed.text, extracted.pages, now)];
    swap.extend(retrieval::unindex(scope, id, Some(version)));
    swap.extend(retrieval::index(scope, &indexed, &spans, &ids));
    swap.push(store::documents::update_version(scope, &new));
    swap.push(store::documents::delete_texts(scope, id, Some(version)));
    swap.push(store::jobs::delete(scope, holder.job));
    match ctx.db.batch(swap).await {
        Ok(_) => {
            if document.version > 0 {
                forget_vectors(ctx, scope, id, document.version).await;
            }
            Ok(())
        }
        Err(DbError::Conflict(_)) => {
            forget_vectors(ctx, scope, id, version).await;
            Err(Failure::Superseded)
        }
        // It may have been stored: the vectors stay. The next attempt finds the version or makes the next one.
        Err(error) => Err(error.into()),
    }
}

/// Vectors of another version are never found, so one that cannot be deleted now costs only its place.
async fn forget_vectors(ctx: &Ctx, scope: &TenantScope, id: DocumentId, version: u32) {
    if let Err(error) = ctx.vectors.delete(scope, id, Some(version)).await {
        tracing::warn!(%error, document = %id, version, "old vectors could not be deleted");
    }
}

async fn progress(ctx: &Ctx, scope: &TenantScope, id: DocumentId, per_cent: u8) -> Result<(), Failure> {
    let step = store::documents::update_progress(scope, id, per_cent, ctx.clock.now());
    let results = ctx.db.batch(vec![step]).await?;
    // No row: it was deleted meanwhile.
    if results.first().is_some_and(|rows| rows.affected == 0) { Err(Failure::Superseded) } else { Ok(()) }
}

struct Source {
    bytes: bytes::Bytes,
    name: String,
}

async fn source(ctx: &Ctx, scope: &TenantScope, document: &Document) -> Result<Source, Failure> {
    if document.source == DocumentSource::Url {
        let address = document.url.as_deref().unwrap_or_default();
        let url = web::check(address).map_err(Failure::Permanent)?;
        let limit = documents::max_upload_bytes(ctx, scope).await?;
        let page = web::fetch(ctx, &url, limit).await?;
        return Ok(Source { bytes: page.bytes, name: page.name });
    }
    let blob = ctx.blobs.get(&blob_key(scope, document.id)).await.map_err(Error::from)?;
    let bytes =
        blob.ok_or_else(|| Failure::Permanent("the file is not there any more; upload it again".to_owned()))?;
    Ok(Source { bytes, name: document.name.clone().unwrap_or_default() })
}

/// Where a document's source is kept.
pub(crate) fn blob_key(scope: &TenantScope, id: DocumentId) -> BlobKey {
    BlobKey::new(scope, "document", id)
}

/// A page whose content another document of the organisation already has is not indexed a second time.
async fn refuse_copy(ctx: &Ctx, scope: &TenantScope, id: DocumentId, hash: &str) -> Result<(), Failure> {
    let rows = ctx.db.query(vec![store::documents::select_equal(scope, Some(hash), None)]).await?;
    let Some(row) = rows.first().and_then(|rows| rows.first()) else { return Ok(()) };
    let equal = store::documents::document(row)?;
    if equal.id == id {
        return Ok(());
    }
    Err(Failure::Permanent(format!(
        "the page has the same content as the document \"{}\" ({})",
        equal.title, equal.id
    )))
}
