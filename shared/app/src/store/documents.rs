//! `documents`: what answers come from, and how far each is.

use frontdesk_domain::document::{DocumentSource, DocumentStatus, NotRead};
use frontdesk_domain::id::{DocumentId, OrgId};
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
    /// What could not be read of the version that is searched.
    pub warnings: Vec<NotRead>,
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
              reason, created_at, updated_at, warnings ",
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
        // What a newer version notes and this one does not know is no reason to hide the document.
        warnings: row.opt_text(15)?.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default(),
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
           AND (SELECT count(*) FROM jobs WHERE org_id = ?1 AND state = 'queued' AND kind = 'ingest') < ?11",
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

/// A document of any organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentOfOrg {
    /// Whose.
    pub org: OrgId,
    /// Its id.
    pub id: DocumentId,
}

/// The documents of all organisations in a fixed order: those after `after` and not older than `changed_since`.
pub fn select_of_all_orgs(after: Option<&DocumentOfOrg>, changed_since: Timestamp, limit: u32) -> Statement {
    Statement::new(
        "SELECT org_id, id FROM documents
         WHERE updated_at >= ?3 AND (?1 IS NULL OR (org_id, id) > (?1, ?2)) ORDER BY org_id, id LIMIT ?4",
    )
    .bind(after.map(|last| last.org.to_string()))
    .bind(after.map(|last| last.id.to_string()))
    .bind(changed_since)
    .bind(limit)
}

/// How many documents all organisations have.
pub fn count_of_all_orgs() -> Statement {
    Statement::new("SELECT count(*) FROM documents")
}

/// A row of [`select_of_all_orgs`].
///
/// # Errors
/// When the row is of another shape.
pub fn document_of_org(row: &Row) -> Result<DocumentOfOrg, DbError> {
    Ok(DocumentOfOrg { org: row.parse(0)?, id: row.parse(1)? })
}

/// Which version of a document stays when the others are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The one that is searched.
    Current,
    /// This one.
    Version(u32),
    /// None.
    Nothing,
}

impl Keep {
    /// The third parameter of a statement with `kept!()`.
    pub(super) const fn version(self) -> Option<u32> {
        match self {
            Self::Current => None,
            Self::Version(version) => Some(version),
            // No version has the number 0.
            Self::Nothing => Some(0),
        }
    }
}

/// The version to keep as SQL, of the organisation `?1` and the document `?2`.
macro_rules! kept {
    () => {
        "coalesce(?3, (SELECT version FROM documents WHERE org_id = ?1 AND id = ?2), 0)"
    };
}
pub(super) use kept;

/// How far it is; a progress of `None` leaves that as it was.
pub fn update_status(
    scope: &TenantScope,
    id: DocumentId,
    status: DocumentStatus,
    progress: Option<u8>,
    reason: Option<&str>,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE documents SET status = ?3, progress = coalesce(?4, progress), reason = ?5, updated_at = ?6
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(status.name())
    .bind(progress.map(u32::from))
    .bind(reason)
    .bind(now)
}

/// Makes the new version, whose passages are all there, the one that is searched.
pub fn update_version(scope: &TenantScope, new: &Document) -> Statement {
    Statement::new(
        "UPDATE documents SET title = ?3, media_type = ?4, bytes = ?5, content_hash = ?6, version = ?7,
            language = ?8, status = 'ready', progress = 100, reason = NULL, updated_at = ?9, warnings = ?10
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
    .bind(if new.warnings.is_empty() { None } else { serde_json::to_string(&new.warnings).ok() })
}

/// Takes the document away.
pub fn delete(scope: &TenantScope, id: DocumentId) -> Statement {
    Statement::new("DELETE FROM documents WHERE org_id = ?1 AND id = ?2").bind_id(scope.org()).bind_id(id)
}
