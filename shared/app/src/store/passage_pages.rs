//! `passages`, page by page: as people list them, and as they are indexed again.

use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

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
pub fn select(scope: &TenantScope, id: DocumentId, ordinal: u64, limit: u32) -> Statement {
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

/// A row of [`select`].
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

/// A passage of any version that is there: of the one that is searched, or of one that is being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPassage {
    /// The version.
    pub version: u32,
    /// From 0 in the version.
    pub ordinal: u64,
    /// Its id.
    pub id: PassageId,
    /// The headings above it.
    pub heading: Option<String>,
    /// Its text.
    pub text: String,
}

/// The passages of all versions that are there, from `ordinal` of `version` on.
pub fn select_indexed(
    scope: &TenantScope,
    id: DocumentId,
    version: u32,
    ordinal: u64,
    limit: u32,
) -> Statement {
    Statement::new(
        "SELECT version, ordinal, id, heading, text FROM passages
         WHERE org_id = ?1 AND document_id = ?2 AND (version, ordinal) >= (?3, ?4)
         ORDER BY version, ordinal LIMIT ?5",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(version)
    .bind(ordinal)
    .bind(limit)
}

/// A row of [`select_indexed`].
///
/// # Errors
/// When the row is of another shape.
pub fn indexed(row: &Row) -> Result<IndexedPassage, DbError> {
    Ok(IndexedPassage {
        version: u32::try_from(row.int(0)?).map_err(|_| DbError::Schema("version".to_owned()))?,
        ordinal: row.count(1)?,
        id: row.parse(2)?,
        heading: row.opt_text(3)?.map(str::to_owned),
        text: row.text(4)?.to_owned(),
    })
}
