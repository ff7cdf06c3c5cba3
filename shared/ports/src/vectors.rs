//! Vector search.

use async_trait::async_trait;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;

use crate::database::Statement;

/// The vectors of one passage.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRecord {
    /// The passage.
    pub passage: PassageId,
    /// Its document.
    pub document: DocumentId,
    /// The document's version.
    pub version: u32,
    /// At least one and at most [`VectorIndex::vectors_per_passage`]: the passage is as near as the nearest of them.
    pub vectors: Vec<Vec<f32>>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorHit {
    /// The passage.
    pub passage: PassageId,
    /// Cosine similarity, -1 to 1.
    pub score: f64,
}

/// Vectors of passages, always within one organisation and one embedding model. All of a model have one length.
#[async_trait(?Send)]
pub trait VectorIndex {
    /// How many vectors a passage may have: with 1 it is embedded as a whole, with more in parts, too.
    fn vectors_per_passage(&self) -> usize {
        1
    }

    /// Stores vectors, or replaces those of the same passages. An index that lives in the same database gives the
    /// statements that do so, for the caller's atomic batch; any other has stored them then and gives none.
    ///
    /// # Errors
    /// An upstream error; it names both lengths when a vector is not as long as the model's others. Part of the records
    /// may be stored then, and the same call can be made again.
    async fn upsert(
        &self,
        scope: &TenantScope,
        model: &str,
        records: Vec<VectorRecord>,
    ) -> Result<Vec<Statement>>;

    /// Deletes the vectors of a document: of one version, or of all when `None`.
    ///
    /// # Errors
    /// An upstream error.
    async fn delete(&self, scope: &TenantScope, document: DocumentId, version: Option<u32>) -> Result<()>;

    /// The `limit` nearest passages, best first; equal ones by id.
    ///
    /// # Errors
    /// As for [`upsert`](Self::upsert).
    async fn search(
        &self,
        scope: &TenantScope,
        model: &str,
        vector: &[f32],
        limit: u32,
    ) -> Result<Vec<VectorHit>>;

    /// For an index that lives in the same database: the search as a statement giving the passages of current
    /// versions, so that it shares the round trip of the lexical search.
    fn colocated(&self, scope: &TenantScope, model: &str, vector: &[f32], limit: u32) -> Option<Statement>;

    /// Whether the vectors are in the same database as the passages.
    fn is_here(&self) -> bool {
        false
    }

    /// Whether there is a place for vectors of this model. Where there is none, the index never had one, or lost them all. One in
    /// the database has it always.
    ///
    /// # Errors
    /// An upstream error.
    async fn holds(&self, _model: &str) -> Result<bool> {
        Ok(true)
    }

    /// Whether the index answers, at the cost of one small call. An index in the database has nothing of its own to
    /// ask.
    ///
    /// # Errors
    /// An upstream error.
    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

/// The vector at unit length, which makes the scalar product the cosine.
///
/// # Errors
/// An upstream error when it has no direction: it is empty or zero, or a number in it is not finite.
pub fn unit_vector(vector: &[f32]) -> Result<Vec<f32>> {
    let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
    if !length.is_finite() || length == 0.0 {
        return Err(unusable(format!("a vector of {} numbers has no direction", vector.len())));
    }
    #[expect(clippy::cast_possible_truncation, reason = "-1 to 1")]
    Ok(vector.iter().map(|number| (f64::from(*number) / length) as f32).collect())
}

/// The error of a vector that is not as long as the others of its model.
#[must_use]
pub fn wrong_vector_length(found: usize, expected: usize) -> Error {
    unusable(format!(
        "the vector has {found} dimensions, those of this model in the index have {expected}; rebuild the index"
    ))
}

fn unusable(detail: String) -> Error {
    Error::Upstream { service: "vectors", retryable: false, detail }
}
