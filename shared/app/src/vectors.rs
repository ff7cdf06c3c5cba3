//! Vectors in the same database as everything else.

use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::DocumentId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{Database, Statement, VectorHit, VectorIndex, VectorRecord};

use crate::store;

/// The vector index of an installation that has no other: `passage_vectors` in libSQL, searched exactly.
pub struct LibsqlVectors {
    db: Rc<dyn Database>,
}

impl LibsqlVectors {
    /// Over this database.
    #[must_use]
    pub fn new(db: Rc<dyn Database>) -> Self {
        Self { db }
    }
}

/// The error of a vector whose length is not that of the others of its model.
fn wrong_length(found: u64, expected: u64) -> Error {
    Error::Upstream {
        service: "vectors",
        retryable: false,
        detail: format!(
            "the vector has {found} dimensions, those of this model in the index have {expected}; rebuild the index"
        ),
    }
}

fn dimensions(vector: &[f32]) -> u64 {
    u64::try_from(vector.len()).unwrap_or(u64::MAX)
}

#[async_trait(?Send)]
impl VectorIndex for LibsqlVectors {
    async fn upsert(
        &self,
        scope: &TenantScope,
        model: &str,
        records: Vec<VectorRecord>,
    ) -> Result<Vec<Statement>> {
        let Some(first) = records.first() else { return Ok(Vec::new()) };
        let stored = self.db.query(vec![store::vectors::dimensions(scope, model)]).await?;
        let expected = match stored.first().and_then(|rows| rows.first()) {
            Some(row) => row.count(0)?,
            None => dimensions(&first.vector),
        };
        if let Some(wrong) =
            records.iter().map(|record| dimensions(&record.vector)).find(|found| *found != expected)
        {
            return Err(wrong_length(wrong, expected));
        }
        Ok(records.iter().map(|record| store::vectors::upsert(scope, model, record)).collect())
    }

    async fn delete(&self, scope: &TenantScope, document: DocumentId, version: Option<u32>) -> Result<()> {
        self.db.batch(vec![store::vectors::delete(scope, document, version)]).await?;
        Ok(())
    }

    async fn search(
        &self,
        scope: &TenantScope,
        model: &str,
        vector: &[f32],
        limit: u32,
    ) -> Result<Vec<VectorHit>> {
        let statements = vec![
            store::vectors::dimensions(scope, model),
            store::vectors::search(scope, model, vector, limit),
        ];
        let answers = self.db.query(statements).await?;
        if let Some(expected) =
            answers.first().and_then(|rows| rows.first()).map(|row| row.count(0)).transpose()?
            && expected != dimensions(vector)
        {
            return Err(wrong_length(dimensions(vector), expected));
        }
        let mut hits = Vec::new();
        for row in answers.get(1).map_or(&[][..], |rows| &rows.rows) {
            let hit = store::passages::hit(row)?;
            hits.push(VectorHit { passage: hit.id, score: hit.score.unwrap_or(0.0) });
        }
        Ok(hits)
    }

    fn colocated(&self, scope: &TenantScope, model: &str, vector: &[f32], limit: u32) -> Option<Statement> {
        Some(store::vectors::search(scope, model, vector, limit))
    }
}
