//! Writes to the database, one after the other. SQLite has one writer; an sqld on which many wait for it may stall (the local
//! host's `queued.rs` has the measurements), and there are as many queues as instances.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_ports::{Clock, Database, DbError, Rows, Statement};
use futures_util::future::{Either, select};
use futures_util::lock::Mutex;

/// The longest that a write waits for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// A database that takes one write at a time; the others wait in order.
pub struct QueuedDatabase {
    inner: Rc<dyn Database>,
    clock: Rc<dyn Clock>,
    turn: Mutex<()>,
}

impl QueuedDatabase {
    /// Puts a queue in front of `inner`.
    pub fn new(inner: Rc<dyn Database>, clock: Rc<dyn Clock>) -> Self {
        Self { inner, clock, turn: Mutex::new(()) }
    }
}

#[async_trait(?Send)]
impl Database for QueuedDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        self.inner.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        let _turn = match select(self.turn.lock(), self.clock.sleep(WAIT)).await {
            Either::Left((turn, _)) => turn,
            Either::Right(_) => {
                return Err(DbError::Retryable("too many calls wait for the database".to_owned()));
            }
        };
        self.inner.batch(statements).await
    }
}
