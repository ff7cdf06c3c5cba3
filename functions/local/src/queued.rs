//! Calls to a database server wait for their turn on this side.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_ports::{Database, DbError, Rows, Statement};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Writes under way at once. SQLite has one writer, so more of them are no faster. In an sqld that is started without
/// `--checkpoint-interval-s` those that wait for the lock hold up checkpoints: from 4 at once on some are refused as busy, and from
/// 8 on the server may stall for good (measured with 0.24.32; <https://github.com/tursodatabase/libsql/pull/1955>).
const WRITES: usize = 2;
/// Reads under way at once. sqld refuses calls beyond 128.
const READS: usize = 32;
/// The longest that a call waits for its turn.
const WAIT: Duration = Duration::from_secs(10);

/// A database that is asked by a few calls at a time; the others wait in order.
pub struct QueuedDatabase {
    inner: Rc<dyn Database>,
    reads: Semaphore,
    writes: Semaphore,
}

impl QueuedDatabase {
    /// Puts a queue in front of `inner`.
    #[must_use]
    pub fn new(inner: Rc<dyn Database>) -> Self {
        Self { inner, reads: Semaphore::new(READS), writes: Semaphore::new(WRITES) }
    }
}

#[async_trait(?Send)]
impl Database for QueuedDatabase {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        let _turn = turn(&self.reads).await?;
        self.inner.query(statements).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
        let _turn = turn(&self.writes).await?;
        self.inner.batch(statements).await
    }
}

async fn turn(queue: &Semaphore) -> Result<SemaphorePermit<'_>, DbError> {
    match tokio::time::timeout(WAIT, queue.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        Ok(Err(_)) | Err(_) => Err(DbError::Retryable("too many calls wait for the database".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run;
    use futures_util::future::join_all;
    use std::cell::Cell;

    /// Counts the calls that are under way, and the most of them.
    #[derive(Default)]
    struct Busy {
        reads: Cell<(usize, usize)>,
        writes: Cell<(usize, usize)>,
    }

    async fn work(calls: &Cell<(usize, usize)>) -> Result<Vec<Rows>, DbError> {
        let (now, most) = calls.get();
        calls.set((now + 1, most.max(now + 1)));
        tokio::task::yield_now().await;
        let (now, most) = calls.get();
        calls.set((now - 1, most));
        Ok(Vec::new())
    }

    #[async_trait(?Send)]
    impl Database for Busy {
        async fn query(&self, _: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
            work(&self.reads).await
        }
        async fn batch(&self, _: Vec<Statement>) -> Result<Vec<Rows>, DbError> {
            work(&self.writes).await
        }
    }

    #[test]
    fn a_few_calls_are_under_way_and_the_others_wait() {
        let busy = Rc::new(Busy::default());
        let queued = QueuedDatabase::new(busy.clone());
        run(async {
            let reads = join_all((0..100).map(|_| queued.query(Vec::new())));
            let writes = join_all((0..100).map(|_| queued.batch(Vec::new())));
            let (reads, writes) = futures_util::join!(reads, writes);
            assert!(reads.iter().chain(&writes).all(Result::is_ok));
        });
        assert_eq!((busy.reads.get(), busy.writes.get()), ((0, READS), (0, WRITES)));
    }
}
