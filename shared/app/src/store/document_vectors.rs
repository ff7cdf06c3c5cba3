//! `document_vectors`: of which embedding model the vectors of each document are.

use frontdesk_domain::id::{DocumentId, OrgId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

use super::documents::{Keep, kept};

/// Notes the vectors of a version; with an empty `model` they are put off.
pub fn upsert(
    scope: &TenantScope,
    document: DocumentId,
    version: u32,
    model: &str,
    length: usize,
) -> Statement {
    Statement::new(
        "INSERT INTO document_vectors (org_id, document_id, version, model, length) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (org_id, document_id) DO UPDATE SET
             version = excluded.version, model = excluded.model, length = excluded.length",
    )
    .bind_id(scope.org())
    .bind_id(document)
    .bind(version)
    .bind(model)
    .bind(u32::try_from(length).unwrap_or(u32::MAX))
}

/// Forgets the note of a document, but for the version to keep.
pub fn delete_others(scope: &TenantScope, document: DocumentId, keep: Keep) -> Statement {
    Statement::new(concat!(
        "DELETE FROM document_vectors WHERE org_id = ?1 AND document_id = ?2 AND version <> ",
        kept!()
    ))
    .bind_id(scope.org())
    .bind_id(document)
    .bind(keep.version())
}

/// A document of any organisation that waits for its vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whose.
    pub org: OrgId,
    /// Its id.
    pub document: DocumentId,
    /// The version that is searched.
    pub version: u32,
}

macro_rules! waiting {
    ($columns:literal $end:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM documents d
              LEFT JOIN document_vectors v ON v.org_id = d.org_id AND v.document_id = d.id
              WHERE d.version > 0 AND CASE WHEN v.document_id IS NULL THEN ?3
                    ELSE v.version <> d.version OR v.model <> ?1
                        OR (?2 > 0 AND v.length > 0 AND v.length <> ?2) END ",
            $end
        )
    };
}

/// The first documents that have no vectors of `model` with `length` numbers (0 where that is not known). `unnoted`: also
/// those of which nothing is noted.
pub fn select_waiting(model: &str, length: usize, unnoted: bool, limit: u32) -> Statement {
    Statement::new(waiting!("d.org_id, d.id, d.version" "ORDER BY d.org_id, d.id LIMIT ?4"))
        .bind(model)
        .bind(u32::try_from(length).unwrap_or(u32::MAX))
        .bind(u32::from(unnoted))
        .bind(limit)
}

/// How many there are, up to `most`.
pub fn count_waiting(model: &str, length: usize, unnoted: bool, most: u32) -> Statement {
    Statement::new(concat!("SELECT count(*) FROM (", waiting!("1" "LIMIT ?4"), ")"))
        .bind(model)
        .bind(u32::try_from(length).unwrap_or(u32::MAX))
        .bind(u32::from(unnoted))
        .bind(most)
}

/// A row of [`select_waiting`].
///
/// # Errors
/// When the row is of another shape.
pub fn waiting(row: &Row) -> Result<Waiting, DbError> {
    let version = u32::try_from(row.count(2)?).map_err(|_| DbError::Schema("version".to_owned()))?;
    Ok(Waiting { org: row.parse(0)?, document: row.parse(1)?, version })
}
