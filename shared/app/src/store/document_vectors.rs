//! `document_vectors`: of which embedding model the vectors of each document are. Where they are, `passage_vectors` tells: those
//! of a document are all in there, or all in an index elsewhere.

use frontdesk_domain::id::{DocumentId, OrgId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

use super::documents::{Keep, kept};

/// Notes the vectors of a version; with an empty `model` they are put off. Comes after those that are stored `here`: where
/// there are none, because its texts are refused, it has the length 0 and does not wait for them.
pub fn upsert(
    scope: &TenantScope,
    document: DocumentId,
    version: u32,
    model: &str,
    length: usize,
    here: bool,
) -> Statement {
    Statement::new(
        "INSERT INTO document_vectors (org_id, document_id, version, model, length)
         SELECT ?1, ?2, ?3, ?4, CASE WHEN ?6 AND NOT EXISTS (
             SELECT 1 FROM passage_vectors WHERE org_id = ?1 AND document_id = ?2 AND version = ?3 AND model = ?4
         ) THEN 0 ELSE ?5 END WHERE true
         ON CONFLICT (org_id, document_id) DO UPDATE SET
             version = excluded.version, model = excluded.model, length = excluded.length",
    )
    .bind_id(scope.org())
    .bind_id(document)
    .bind(version)
    .bind(model)
    .bind(u32::try_from(length).unwrap_or(u32::MAX))
    .bind(u32::from(here))
}

/// Puts off the vectors of every document that were made of a model: its index has lost them.
pub fn put_off(model: &str) -> Statement {
    Statement::new("UPDATE document_vectors SET model = '', length = 0 WHERE model = ?1 AND length > 0")
        .bind(model)
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
              WHERE d.version > 0 AND CASE
                  WHEN v.document_id IS NULL THEN ?3
                  WHEN v.version <> d.version OR v.model <> ?1 OR (?2 > 0 AND v.length > 0 AND v.length <> ?2) THEN 1
                  WHEN v.length = 0 THEN 0
                  ELSE ?3 <> EXISTS (
                      SELECT 1 FROM passage_vectors p
                      WHERE p.org_id = d.org_id AND p.document_id = d.id AND p.version = d.version AND p.model = ?1
                  ) END ",
            $end
        )
    };
}

/// The first documents that have no vectors of `model` with `length` numbers (0 where that is not known) where they are
/// searched: `here`, or in an index elsewhere. Of those of which nothing is noted only the former is known.
pub fn select_waiting(model: &str, length: usize, here: bool, limit: u32) -> Statement {
    Statement::new(waiting!("d.org_id, d.id, d.version" "ORDER BY d.org_id, d.id LIMIT ?4"))
        .bind(model)
        .bind(u32::try_from(length).unwrap_or(u32::MAX))
        .bind(u32::from(here))
        .bind(limit)
}

/// How many there are, up to `most`.
pub fn count_waiting(model: &str, length: usize, here: bool, most: u32) -> Statement {
    Statement::new(concat!("SELECT count(*) FROM (", waiting!("1" "LIMIT ?4"), ")"))
        .bind(model)
        .bind(u32::try_from(length).unwrap_or(u32::MAX))
        .bind(u32::from(here))
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
