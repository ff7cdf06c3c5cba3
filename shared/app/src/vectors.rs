//! Vectors in the same database as everything else.

use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::DocumentId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{
    Database, Rows, Statement, VectorHit, VectorIndex, VectorRecord, unit_vector, wrong_vector_length,
};

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

/// How long the organisation's vectors of a model are, if there are any: a row of `store::vectors::dimensions`.
fn length(rows: Option<&Rows>) -> Result<Option<usize>> {
    let length = rows.and_then(Rows::first).map(|row| row.count(0)).transpose()?;
    Ok(length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)))
}

#[async_trait(?Send)]
impl VectorIndex for LibsqlVectors {
    async fn upsert(
        &self,
        scope: &TenantScope,
        model: &str,
        records: Vec<VectorRecord>,
    ) -> Result<Vec<Statement>> {
        let mut vectors = Vec::with_capacity(records.len());
        for record in &records {
            let [vector] = record.vectors.as_slice() else {
                return Err(Error::ours("the database keeps one vector for each passage"));
            };
            vectors.push(unit_vector(vector)?);
        }
        let Some(first) = vectors.first() else { return Ok(Vec::new()) };
        let stored = self.db.query(vec![store::vectors::dimensions(scope, model)]).await?;
        let expected = length(stored.first())?.unwrap_or(first.len());
        if let Some(wrong) = vectors.iter().find(|vector| vector.len() != expected) {
            return Err(wrong_vector_length(wrong.len(), expected));
        }
        let upsert = |(record, vector): (&VectorRecord, &Vec<f32>)| {
            store::vectors::upsert(scope, model, record, vector)
        };
        Ok(records.iter().zip(&vectors).map(upsert).collect())
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
        let vector = unit_vector(vector)?;
        let statements = vec![
            store::vectors::dimensions(scope, model),
            store::vectors::nearest(scope, model, &vector, limit),
        ];
        let answers = self.db.query(statements).await?;
        if let Some(expected) = length(answers.first())?
            && expected != vector.len()
        {
            return Err(wrong_vector_length(vector.len(), expected));
        }
        let rows = answers.get(1).map_or(&[][..], |rows| &rows.rows);
        rows.iter().map(|row| Ok(VectorHit { passage: row.parse(0)?, score: row.real(1)? })).collect()
    }

    fn is_here(&self) -> bool {
        true
    }

    fn colocated(&self, scope: &TenantScope, model: &str, vector: &[f32], limit: u32) -> Option<Statement> {
        // Without a direction it is left to `search` to say so.
        let vector = unit_vector(vector).ok()?;
        Some(store::vectors::search(scope, model, &vector, limit))
    }
}
