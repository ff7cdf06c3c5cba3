//! Counts database round trips.

use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_ports::{Database, DbError, Metrics, Rows, Statement};

/// A database whose round trips are counted in `frontdesk_database_round_trips_total`.
pub struct CountedDatabase {
    inner: Rc<dyn Database>,
    metrics: Rc<Metrics>,
}

impl CountedDatabase {
    /// Counts the round trips to `inner`.
    #[must_use]
    pub fn new(inner: Rc<dyn Database>, metrics: Rc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    fn count(&self, kind: &'static str) {
        self.metrics.database.get_or_create(&[("kind", kind)]).inc();
    }
}

#[async_trait(?Send)]
impl Database for CountedDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.count("query");
        self.inner.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.count("batch");
        self.inner.batch(statements).await
    }
}
