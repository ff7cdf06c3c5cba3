//! Vector search.

use async_trait::async_trait;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::{DocumentId, PassageId};
use frontdesk_domain::scope::TenantScope;

use crate::database::Statement;

/// The vector of one passage.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRecord {
    /// The passage.
    pub passage: PassageId,
    /// Its document.
    pub document: DocumentId,
    /// The document's version.
    pub version: u32,
    /// The vector.
    pub vector: Vec<f32>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorHit {
    /// The passage.
    pub passage: PassageId,
    /// Cosine similarity, -1 to 1.
    pub score: f64,
}

/// Vectors of passages, always within one organisation and one embedding model.
#[async_trait(?Send)]
pub trait VectorIndex {
    /// Stores or replaces vectors. An index that lives in the same database gives the statements that do so, for the
    /// caller's atomic batch; any other has stored them then and gives none.
    ///
    /// # Errors
    /// An upstream error.
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

    /// The `limit` nearest passages, best first.
    ///
    /// # Errors
    /// An upstream error.
    async fn search(
        &self,
        scope: &TenantScope,
        model: &str,
        vector: &[f32],
        limit: u32,
    ) -> Result<Vec<VectorHit>>;

    /// For an index that lives in the same database: the search as a statement giving (passage id, score), so that
    /// it shares the round trip of the lexical search.
    fn colocated(&self, scope: &TenantScope, model: &str, vector: &[f32], limit: u32) -> Option<Statement>;

    /// Whether the index answers, at the cost of one small call. An index in the database has nothing of its own to
    /// ask.
    ///
    /// # Errors
    /// An upstream error.
    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}
