//! Documents: created from a file, a text or a web page; listed, read again, deleted everywhere.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::document::{DocumentSource, DocumentStatus, MAX_TITLE_CHARS, clean_name};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{DocumentId, JobId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::Settings;
use frontdesk_domain::text::is_blank;
use frontdesk_ports::{Ctx, ExtractFailure, Rows};

use crate::ingest::{self, blob_key, web};
use crate::jobs::{self, MAX_WAITING};
use crate::page::{self, Page};
use crate::retrieval::{self, Keep};
use crate::{settings, store};

pub use store::documents::Document;
pub use store::passage_pages::Passage;

/// The longest text that is typed in, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// When a queue that is full may have room again.
const QUEUE_RETRY: Duration = Duration::from_secs(30);

/// How long the file of a new document may take to be stored. Then the document counts as failed.
const STORE_WITHIN: Duration = Duration::from_secs(60);

/// When what a deleted document left is cleaned up once more: no worker that had begun to store
/// something for it goes on then.
const PURGE_AFTER: Duration = jobs::LEASE.saturating_mul(2);

/// What creating a document gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The document.
    pub document: Document,
    /// Whether the organisation had this content already: then it is that document, and nothing was stored.
    pub duplicate: bool,
}

/// The largest file that the organisation takes and the host can keep and read, in bytes.
///
/// # Errors
/// When the settings cannot be read.
pub async fn max_upload_bytes(ctx: &Ctx, scope: &TenantScope) -> Result<u64> {
    Ok(upload_limit(ctx, &*settings::current(ctx, scope).await?))
}

/// The same with the organisation's settings at hand.
#[must_use]
pub fn upload_limit(ctx: &Ctx, settings: &Settings) -> u64 {
    settings.limits.max_upload_bytes.min(ctx.blobs.max_bytes()).min(ctx.extractor.max_bytes())
}

/// The type of a file's content, if it is one that can be a document.
///
/// # Errors
/// 415 naming the accepted types, 422 when it is empty or locked.
pub async fn media_type(ctx: &Ctx, bytes: &Bytes) -> Result<String> {
    ctx.extractor.media_type(bytes).await.map_err(|failure| match failure {
        ExtractFailure::Unsupported { found } => CallerError::UnsupportedMedia {
            detail: format!("the file is of the type {found}"),
            accepted: frontdesk_extract::ACCEPTED.to_owned(),
        }
        .into(),
        failure if failure.may_pass() => {
            Error::Upstream { service: "reader", retryable: true, detail: failure.to_string() }
        }
        other => Error::invalid("/file", other.to_string()),
    })
}

/// Creates a document from a file. It is read later, by a job.
///
/// # Errors
/// 415, 422 when the file cannot be a document, 503 when too many documents wait already.
pub async fn create_from_file(ctx: &Ctx, scope: &TenantScope, name: &str, bytes: Bytes) -> Result<Created> {
    let media_type = media_type(ctx, &bytes).await?;
    let name = clean_name(name);
    let new = Document {
        title: name.clone(),
        name: Some(name),
        media_type: Some(media_type),
        ..blank(ctx, DocumentSource::File)
    };
    create(ctx, scope, new, Some(bytes)).await
}

/// Creates a document from a text.
///
/// # Errors
/// 422 naming the field, 503 when too many documents wait already.
pub async fn create_from_text(ctx: &Ctx, scope: &TenantScope, title: &str, text: &str) -> Result<Created> {
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if is_blank(&title) || title.chars().count() > MAX_TITLE_CHARS {
        return Err(Error::invalid(
            "/title",
            format!("the title must have 1 to {MAX_TITLE_CHARS} characters"),
        ));
    }
    if is_blank(text) || text.len() > MAX_TEXT_BYTES {
        return Err(Error::invalid("/text", format!("the text must have 1 to {MAX_TEXT_BYTES} bytes")));
    }
    if text.contains('\0') {
        return Err(Error::invalid("/text", "the text must have no NUL characters"));
    }
    let bytes = Bytes::from(text.to_owned());
    // What was typed is text, whatever it looks like.
    let media_type = frontdesk_extract::kind_of_typed(text).media_type().to_owned();
    let new = Document { title, media_type: Some(media_type), ..blank(ctx, DocumentSource::Text) };
    create(ctx, scope, new, Some(bytes)).await
}

/// Creates a document from a web page, which a job fetches.
///
/// # Errors
/// 422 when the address is not allowed, 503 when too many documents wait already.
pub async fn create_from_url(ctx: &Ctx, scope: &TenantScope, url: &str) -> Result<Created> {
    let url = web::check(url).map_err(|reason| Error::invalid("/url", reason.into_text()))?;
    let title = url.as_str().chars().take(MAX_TITLE_CHARS).collect();
    let new = Document { title, url: Some(url.into()), ..blank(ctx, DocumentSource::Url) };
    create(ctx, scope, new, None).await
}

fn blank(ctx: &Ctx, source: DocumentSource) -> Document {
    let now = ctx.clock.now();
    Document {
        id: DocumentId::new(now, ctx.random.entropy()),
        title: String::new(),
        source,
        url: None,
        name: None,
        media_type: None,
        bytes: 0,
        content_hash: None,
        version: 0,
        language: None,
        status: DocumentStatus::Queued,
        progress: 0,
        reason: None,
        warnings: Vec::new(),
        created_at: now,
        updated_at: now,
    }
}

/// The row first: so every file belongs to a document, whatever happens in between, and goes with it. Its job waits until
/// the file is there.
async fn create(ctx: &Ctx, scope: &TenantScope, mut new: Document, bytes: Option<Bytes>) -> Result<Created> {
    if let Some(bytes) = &bytes {
        new.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        new.content_hash = Some(ingest::file_hash(ctx, bytes).await?);
    }
    let now = new.created_at;
    let run_after = if bytes.is_some() { now.after(STORE_WITHIN) } else { now };
    let job = JobId::new(now, ctx.random.entropy());
    let results = ctx
        .db
        .batch(vec![
            store::documents::insert(scope, &new, MAX_WAITING),
            store::document_jobs::insert_ingest(
                scope,
                job,
                new.id,
                &ingest::first_step(&new)?,
                run_after,
                now,
            ),
            store::documents::select_equal(scope, new.content_hash.as_deref(), new.url.as_deref()),
        ])
        .await?;
    ctx.tasks.new_job();
    let stored = first_document(&results, 2)?.ok_or_else(queue_full)?;
    let duplicate = stored.id != new.id;
    if duplicate && is_held(ctx, scope, &stored).await? {
        return Ok(Created { document: stored, duplicate });
    }
    if let Some(bytes) = bytes {
        ctx.blobs.put(&blob_key(scope, stored.id), bytes).await?;
    } else if !duplicate {
        return Ok(Created { document: stored, duplicate });
    }
    Ok(Created { document: enqueue(ctx, scope, stored).await?, duplicate })
}

/// Whether a document has what it is read from, so that another one of the same content adds nothing. The row comes before
/// the file; when storing the file failed, the next upload of it stores it.
async fn is_held(ctx: &Ctx, scope: &TenantScope, stored: &Document) -> Result<bool> {
    match stored.status {
        DocumentStatus::Failed => Ok(false),
        DocumentStatus::Ready => Ok(true),
        // A job fetches the page.
        DocumentStatus::Queued | DocumentStatus::Processing if stored.source == DocumentSource::Url => {
            Ok(true)
        }
        DocumentStatus::Queued | DocumentStatus::Processing if stored.version > 0 => Ok(true),
        DocumentStatus::Queued | DocumentStatus::Processing => {
            Ok(ctx.blobs.get(&blob_key(scope, stored.id)).await?.is_some())
        }
    }
}

fn queue_full() -> Error {
    CallerError::Unavailable { reason: "too many documents wait to be read", retry_after: QUEUE_RETRY }.into()
}

fn first_document(results: &[Rows], statement: usize) -> Result<Option<Document>> {
    let row = results.get(statement).and_then(Rows::first);
    Ok(row.map(store::documents::document).transpose()?)
}

/// Documents, newest first. `cursor` is what the page before gave.
///
/// # Errors
/// 422 when the cursor is none.
pub async fn list(
    ctx: &Ctx,
    scope: &TenantScope,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page<Document>> {
    let before = cursor
        .map(|cursor| {
            cursor.parse::<DocumentId>().map_err(|error| Error::invalid("?cursor", error.to_string()))
        })
        .transpose()?;
    let page = store::documents::select_page(scope, before, limit.saturating_add(1));
    let results = ctx.db.query(vec![page]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items = rows.iter().map(store::documents::document).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(items, limit, |last| last.id.to_string()))
}

/// One document.
///
/// # Errors
/// 404.
pub async fn get(ctx: &Ctx, scope: &TenantScope, id: DocumentId) -> Result<Document> {
    let results = ctx.db.query(vec![store::documents::select(scope, id)]).await?;
    first_document(&results, 0)?.ok_or(Error::not_found("document"))
}

/// The passages of the version that is searched, in their order.
///
/// # Errors
/// 404, 422 when the cursor is none.
pub async fn passages(
    ctx: &Ctx,
    scope: &TenantScope,
    id: DocumentId,
    limit: u32,
    cursor: Option<&str>,
) -> Result<(Document, Page<Passage>)> {
    let from: u32 = page::after(cursor)?.unwrap_or(0);
    let page = store::passage_pages::select(scope, id, from.into(), limit.saturating_add(1));
    let results = ctx.db.query(vec![store::documents::select(scope, id), page]).await?;
    let document = first_document(&results, 0)?.ok_or(Error::not_found("document"))?;
    let rows = results.get(1).map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items = rows.iter().map(store::passage_pages::passage).collect::<Result<Vec<_>, _>>()?;
    Ok((document, Page::cut(items, limit, |last| last.ordinal.saturating_add(1).to_string())))
}

/// Reads a document again: fetches the page anew, or the stored file (for another embedding model, say). It is searched
/// in its old version until the new one is whole.
///
/// # Errors
/// 404, 503 when too many documents wait already.
pub async fn sync(ctx: &Ctx, scope: &TenantScope, id: DocumentId) -> Result<Document> {
    let results = ctx
        .db
        .query(vec![store::documents::select(scope, id), store::document_jobs::count_waiting(scope)])
        .await?;
    let document = first_document(&results, 0)?.ok_or(Error::not_found("document"))?;
    let waiting = results.get(1).and_then(Rows::first).map(|row| row.count(0)).transpose()?.unwrap_or(0);
    if waiting >= u64::from(MAX_WAITING) {
        return Err(queue_full());
    }
    enqueue(ctx, scope, document).await
}

/// Begins to read it, from the beginning: a worker that reads it already has lost the job.
async fn enqueue(ctx: &Ctx, scope: &TenantScope, document: Document) -> Result<Document> {
    let (id, now) = (document.id, ctx.clock.now());
    let job = JobId::new(now, ctx.random.entropy());
    let queued = DocumentStatus::Queued;
    let mut batch = vec![
        store::documents::update_status(scope, id, queued, Some(0), None, now),
        store::document_jobs::delete_ingest(scope, id),
        store::document_jobs::insert_ingest(scope, job, id, &ingest::first_step(&document)?, now, now),
    ];
    batch.extend(store::document_texts::delete_others(scope, id, Keep::Current));
    batch.extend(retrieval::unindex(scope, id, Keep::Current));
    let results = ctx.db.batch(batch).await?;
    if results.first().is_some_and(|rows| rows.affected == 0) {
        return Err(Error::not_found("document"));
    }
    ctx.tasks.new_job();
    Ok(Document { status: queued, progress: 0, reason: None, updated_at: now, ..document })
}

/// Deletes a document everywhere. It is not found from the moment of the one batch on; its vectors in an index elsewhere
/// and its file go right after. A job does that once more later, for what could not be deleted then, or was stored
/// meanwhile by a worker that did not know yet.
///
/// # Errors
/// 404.
pub async fn delete(ctx: &Ctx, scope: &TenantScope, id: DocumentId) -> Result<()> {
    let now = ctx.clock.now();
    let job = JobId::new(now, ctx.random.entropy());
    let mut batch = retrieval::unindex(scope, id, Keep::Nothing);
    batch.extend(store::document_texts::delete_others(scope, id, Keep::Nothing));
    batch.push(store::document_jobs::delete_ingest(scope, id));
    batch.push(store::document_jobs::insert_purge(scope, job, id, now.after(PURGE_AFTER), now));
    batch.push(store::documents::delete(scope, id));
    let results = ctx.db.batch(batch).await?;
    if results.last().is_some_and(|rows| rows.affected == 0) {
        return Err(Error::not_found("document"));
    }
    ctx.tasks.new_job();
    if let Err(error) = purge(ctx, scope, id).await {
        tracing::warn!(%error, document = %id, "a deleted document's file is cleaned up later");
    }
    Ok(())
}

/// What a deleted document leaves outside of the database.
pub(crate) async fn purge(ctx: &Ctx, scope: &TenantScope, id: DocumentId) -> Result<()> {
    ctx.vectors.delete(scope, id, None).await?;
    ctx.blobs.delete(&blob_key(scope, id)).await?;
    Ok(())
}
