//! `documents` and `document_texts`: what answers come from, and how far each is.

use frontdesk_domain::document::{DocumentSource, DocumentStatus};
use frontdesk_domain::id::{DocumentId, JobId, OrgId, PassageId, WorkerId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// The title that people see.
    pub title: String,
    /// Where it comes from.
    pub source: DocumentSource,
    /// The address of a web page.
    pub url: Option<String>,
    /// The name of an uploaded file.
    pub name: Option<String>,
    /// The type by content, once it was read.
    pub media_type: Option<String>,
    /// Bytes of the source.
    pub bytes: u64,
    /// SHA-256 of the source, in hexadecimal; not known before a page was fetched.
    pub content_hash: Option<String>,
    /// The version that is searched; 0 before the first is ready.
    pub version: u32,
    /// ISO 639-3, once it was read.
    pub language: Option<String>,
    /// How far it is.
    pub status: DocumentStatus,
    /// Per cent of the reading in progress.
    pub progress: u8,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

macro_rules! columns {
    ($before:literal $after:literal) => {
        concat!(
            $before,
            " id, title, source, url, name, media_type, bytes, content_hash, version, language, status, progress,
              reason, created_at, updated_at ",
            $after
        )
    };
}

/// A row of the selects below.
///
/// # Errors
/// When the row is of another shape.
pub fn document(row: &Row) -> Result<Document, DbError> {
    let small =
        |column: usize| u32::try_from(row.count(column)?).map_err(|error| DbError::Schema(error.to_string()));
    let owned = |column: usize| row.opt_text(column).map(|text| text.map(str::to_owned));
    Ok(Document {
        id: row.parse(0)?,
        title: row.text(1)?.to_owned(),
        source: row.parse(2)?,
        url: owned(3)?,
        name: owned(4)?,
        media_type: owned(5)?,
        bytes: row.count(6)?,
        content_hash: owned(7)?,
        version: small(8)?,
        language: owned(9)?,
        status: row.parse(10)?,
        progress: u8::try_from(row.count(11)?.min(100)).unwrap_or(100),
        reason: owned(12)?,
        created_at: row.time(13)?,
        updated_at: row.time(14)?,
    })
}

/// Stores a new document, unless the organisation has one of the same content or address, or `most_waiting` jobs wait
/// already. Then it changes nothing.
pub fn insert(scope: &TenantScope, new: &Document, most_waiting: u32) -> Statement {
    Statement::new(
        "INSERT INTO documents
            (org_id, id, title, source, url, name, media_type, bytes, content_hash, version, language, status, progress,
             reason, created_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, NULL, 'queued', 0, NULL, ?10, ?10
         WHERE NOT EXISTS (SELECT 1 FROM documents WHERE org_id = ?1 AND content_hash = ?9)
           AND NOT EXISTS (SELECT 1 FROM documents WHERE org_id = ?1 AND url = ?5)
           AND (SELECT count(*) FROM jobs WHERE org_id = ?1 AND state = 'queued') < ?11",
    )
    .bind_id(scope.org())
    .bind_id(new.id)
    .bind(new.title.as_str())
    .bind(new.source.name())
    .bind(new.url.clone())
    .bind(new.name.clone())
    .bind(new.media_type.clone())
    .bind(new.bytes)
    .bind(new.content_hash.clone())
    .bind(new.created_at)
    .bind(most_waiting)
}

/// One document.
pub fn select(scope: &TenantScope, id: DocumentId) -> Statement {
    Statement::new(columns!("SELECT" "FROM documents WHERE org_id = ?1 AND id = ?2"))
        .bind_id(scope.org())
        .bind_id(id)
}

/// The document with this content or this address; never more than one.
pub fn select_equal(scope: &TenantScope, content_hash: Option<&str>, url: Option<&str>) -> Statement {
    Statement::new(columns!(
        "SELECT"
        "FROM documents WHERE org_id = ?1 AND (content_hash = ?2 OR url = ?3) ORDER BY id LIMIT 1"
    ))
    .bind_id(scope.org())
    .bind(content_hash)
    .bind(url)
}

/// Newest first, those before `before`.
pub fn select_page(scope: &TenantScope, before: Option<DocumentId>, limit: u32) -> Statement {
    Statement::new(columns!(
        "SELECT"
        "FROM documents WHERE org_id = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
    ))
    .bind_id(scope.org())
    .bind(before.map(|id| id.to_string()))
    .bind(limit)
}

/// A document that is searched, of any organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// Whose.
    pub org: OrgId,
    /// Its id.
    pub id: DocumentId,
    /// The version that is searched.
    pub version: u32,
}

/// The documents of all organisations that are searched, in a fixed order: those after `after` and not older than
/// `changed_since`.
pub fn select_current(after: Option<&Current>, changed_since: Timestamp, limit: u32) -> Statement {
    Statement::new(
        "SELECT org_id, id, version FROM documents
         WHERE version > 0 AND updated_at >= ?3 AND (?1 IS NULL OR (org_id, id) > (?1, ?2))
         ORDER BY org_id, id LIMIT ?4",
    )
    .bind(after.map(|last| last.org.to_string()))
    .bind(after.map(|last| last.id.to_string()))
    .bind(changed_since)
    .bind(limit)
}

/// How many documents of all organisations are searched.
pub fn count_current() -> Statement {
    Statement::new("SELECT count(*) FROM documents WHERE version > 0")
}

/// A row of [`select_current`].
///
/// # Errors
/// When the row is of another shape.
pub fn current(row: &Row) -> Result<Current, DbError> {
    let version = u32::try_from(row.int(2)?).map_err(|_| DbError::Schema("version".to_owned()))?;
    Ok(Current { org: row.parse(0)?, id: row.parse(1)?, version })
}

/// A passage as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its id.
    pub id: PassageId,
    /// From 0 in the document.
    pub ordinal: u64,
    /// First byte in the extracted text.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// The headings above it.
    pub heading: Option<String>,
    /// Its text.
    pub text: String,
}

/// The passages of the current version, from `ordinal` on.
pub fn select_passages(scope: &TenantScope, id: DocumentId, ordinal: u64, limit: u32) -> Statement {
    Statement::new(
        r#"SELECT p.id, p.ordinal, p.start, p."end", p.heading, p.text
           FROM documents d JOIN passages p ON p.org_id = ?1 AND p.document_id = d.id AND p.version = d.version
           WHERE d.org_id = ?1 AND d.id = ?2 AND p.ordinal >= ?3 ORDER BY p.ordinal LIMIT ?4"#,
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(ordinal)
    .bind(limit)
}

/// A row of [`select_passages`].
///
/// # Errors
/// When the row is of another shape.
pub fn passage(row: &Row) -> Result<Passage, DbError> {
    Ok(Passage {
        id: row.parse(0)?,
        ordinal: row.count(1)?,
        start: row.count(2)?,
        end: row.count(3)?,
        heading: row.opt_text(4)?.map(str::to_owned),
        text: row.text(5)?.to_owned(),
    })
}

/// Back to the queue: it will be read again.
pub fn update_queued(scope: &TenantScope, id: DocumentId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE documents SET status = 'queued', progress = 0, reason = NULL, updated_at = ?3
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(now)
}

/// Who works on a document. What they write changes no row once the job is another worker's or gone.
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    /// The job.
    pub job: JobId,
    /// Who claimed it.
    pub worker: WorkerId,
}

/// How far the reading is.
pub fn update_progress(
    scope: &TenantScope,
    id: DocumentId,
    holder: Holder,
    progress: u8,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE documents SET status = 'processing', progress = ?5, reason = NULL, updated_at = ?6
         WHERE org_id = ?1 AND id = ?2
           AND EXISTS (SELECT 1 FROM jobs WHERE org_id = ?1 AND id = ?3 AND worker = ?4 AND state = 'running')",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(holder.job)
    .bind_id(holder.worker)
    .bind(i32::from(progress))
    .bind(now)
}

/// Waits for another attempt, or has failed for good: with the reason.
pub fn update_reason(
    scope: &TenantScope,
    id: DocumentId,
    holder: Holder,
    status: DocumentStatus,
    reason: &str,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE documents SET status = ?5, progress = 0, reason = ?6, updated_at = ?7
         WHERE org_id = ?1 AND id = ?2
           AND EXISTS (SELECT 1 FROM jobs WHERE org_id = ?1 AND id = ?3 AND worker = ?4 AND state = 'running')",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(holder.job)
    .bind_id(holder.worker)
    .bind(status.name())
    .bind(reason)
    .bind(now)
}

/// A page that has not changed since its current version.
pub fn update_unchanged(scope: &TenantScope, id: DocumentId, holder: Holder, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE documents SET status = 'ready', progress = 100, reason = NULL, updated_at = ?5
         WHERE org_id = ?1 AND id = ?2
           AND EXISTS (SELECT 1 FROM jobs WHERE org_id = ?1 AND id = ?3 AND worker = ?4 AND state = 'running')",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(holder.job)
    .bind_id(holder.worker)
    .bind(now)
}

/// Stores the text of a new version. It is the fence of the swap: when the document was deleted or has another version
/// than `before`, or the job is another worker's by now, the version is NULL, the constraint refuses it, and nothing of
/// the batch is stored.
pub fn insert_text(
    scope: &TenantScope,
    id: DocumentId,
    (before, version): (u32, u32),
    holder: Holder,
    text: &str,
    pages: Option<u32>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO document_texts (org_id, document_id, version, text, pages, created_at)
         SELECT ?1, ?2,
            CASE WHEN EXISTS (SELECT 1 FROM documents WHERE org_id = ?1 AND id = ?2 AND version = ?3)
                  AND EXISTS (SELECT 1 FROM jobs WHERE org_id = ?1 AND id = ?4 AND worker = ?5 AND state = 'running')
                 THEN ?6 END,
            ?7, ?8, ?9",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(before)
    .bind_id(holder.job)
    .bind_id(holder.worker)
    .bind(version)
    .bind(text)
    .bind(pages)
    .bind(now)
}

/// Makes the new version the current one.
pub fn update_version(scope: &TenantScope, new: &Document) -> Statement {
    Statement::new(
        "UPDATE documents SET title = ?3, media_type = ?4, bytes = ?5, content_hash = ?6, version = ?7, language = ?8,
            status = 'ready', progress = 100, reason = NULL, updated_at = ?9
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(new.id)
    .bind(new.title.as_str())
    .bind(new.media_type.clone())
    .bind(new.bytes)
    .bind(new.content_hash.clone())
    .bind(new.version)
    .bind(new.language.clone())
    .bind(new.updated_at)
}

/// Takes the texts away: of all versions but `keep`, or of all.
pub fn delete_texts(scope: &TenantScope, id: DocumentId, keep: Option<u32>) -> Statement {
    Statement::new("DELETE FROM document_texts WHERE org_id = ?1 AND document_id = ?2 AND version <> ?3")
        .bind_id(scope.org())
        .bind_id(id)
        // No version has the number 0.
        .bind(keep.unwrap_or(0))
}

/// Takes the document away.
pub fn delete(scope: &TenantScope, id: DocumentId) -> Statement {
    Statement::new("DELETE FROM documents WHERE org_id = ?1 AND id = ?2").bind_id(scope.org()).bind_id(id)
}
