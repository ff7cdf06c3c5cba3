//! `passage_vectors`: what is searched by meaning.

use frontdesk_domain::id::DocumentId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Statement, VectorRecord};

use super::documents::{Keep, kept};

/// Writes the vector of a passage. All of one model have the same length.
pub fn upsert(scope: &TenantScope, model: &str, record: &VectorRecord, vector: &[f32]) -> Statement {
    Statement::new(
        "INSERT INTO passage_vectors (org_id, model, passage_id, document_id, version, vector)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (org_id, model, passage_id) DO UPDATE SET
             document_id = excluded.document_id, version = excluded.version, vector = excluded.vector",
    )
    .bind_id(scope.org())
    .bind(model)
    .bind_id(record.passage)
    .bind_id(record.document)
    .bind(record.version)
    .bind(blob(vector))
}

/// Deletes the vectors of a document: of one version, or of all.
pub fn delete(scope: &TenantScope, document: DocumentId, version: Option<u32>) -> Statement {
    Statement::new(
        "DELETE FROM passage_vectors WHERE org_id = ?1 AND document_id = ?2 AND (?3 IS NULL OR version = ?3)",
    )
    .bind_id(scope.org())
    .bind_id(document)
    .bind(version)
}

/// Deletes the vectors of a document, but for the version to keep.
pub fn delete_others(scope: &TenantScope, document: DocumentId, keep: Keep) -> Statement {
    Statement::new(concat!(
        "DELETE FROM passage_vectors WHERE org_id = ?1 AND document_id = ?2 AND version <> ",
        kept!()
    ))
    .bind_id(scope.org())
    .bind_id(document)
    .bind(keep.version())
}

/// Deletes the organisation's vectors of a model that are not as long as these.
pub fn delete_other_lengths(scope: &TenantScope, model: &str, length: usize) -> Statement {
    Statement::new(
        "DELETE FROM passage_vectors WHERE org_id = ?1 AND model = ?2 AND length(vector) <> 4 * ?3",
    )
    .bind_id(scope.org())
    .bind(model)
    .bind(u32::try_from(length).unwrap_or(u32::MAX))
}

/// Deletes a document's vectors of other models.
pub fn delete_other_models(scope: &TenantScope, document: DocumentId, model: &str) -> Statement {
    Statement::new("DELETE FROM passage_vectors WHERE org_id = ?1 AND document_id = ?2 AND model <> ?3")
        .bind_id(scope.org())
        .bind_id(document)
        .bind(model)
}

/// The length of the organisation's vectors of a model; no row when there are none.
pub fn dimensions(scope: &TenantScope, model: &str) -> Statement {
    Statement::new("SELECT length(vector) / 4 FROM passage_vectors WHERE org_id = ?1 AND model = ?2 LIMIT 1")
        .bind_id(scope.org())
        .bind(model)
}

/// The nearest passages whatever their versions, best first: their ids and the cosine similarity.
pub fn nearest(scope: &TenantScope, model: &str, vector: &[f32], limit: u32) -> Statement {
    Statement::new(
        "SELECT passage_id, 1.0 - vector_distance_cos(vector, ?3) FROM passage_vectors
         WHERE org_id = ?1 AND model = ?2 AND length(vector) = length(?3)
         ORDER BY 2 DESC, 1 LIMIT ?4",
    )
    .bind_id(scope.org())
    .bind(model)
    .bind(blob(vector))
    .bind(limit)
}

/// The nearest passages of current versions, best first: the columns of `passages::hit`, its score the cosine
/// similarity.
///
/// Exact: every vector of the organisation is compared. libSQL's approximate index (`libsql_vector_idx`) cannot filter
/// by organisation: it would give the nearest rows of all tenants, and after the filter perhaps none.
pub fn search(scope: &TenantScope, model: &str, vector: &[f32], limit: u32) -> Statement {
    Statement::new(
        r#"SELECT p.id, p.document_id, p.version, p.start, p."end", p.heading, p.text, d.title, d.url, d.language, f.score
           FROM (SELECT v.passage_id, 1.0 - vector_distance_cos(v.vector, ?3) AS score
                 FROM passage_vectors v
                 CROSS JOIN documents d ON d.org_id = ?1 AND d.id = v.document_id AND d.version = v.version
                 WHERE v.org_id = ?1 AND v.model = ?2 AND length(v.vector) = length(?3)
                 ORDER BY 2 DESC, 1 LIMIT ?4) f
           CROSS JOIN passages p ON p.org_id = ?1 AND p.id = f.passage_id
           CROSS JOIN documents d ON d.org_id = ?1 AND d.id = p.document_id AND d.version = p.version
           ORDER BY f.score DESC, p.id"#,
    )
    .bind_id(scope.org())
    .bind(model)
    .bind(blob(vector))
    .bind(limit)
}

/// libSQL's form of a 32-bit vector (what `vector32` gives).
fn blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}
