//! Time, randomness, tasks and computation on one machine.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock, Compute, Random, Tasks};
use tokio::sync::Notify;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock port of this host")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Without randomness every token could be guessed: nothing may go on.
            tracing::error!(%error, "the operating system gives no randomness");
            std::process::abort();
        }
    }
}

/// Tasks on the thread of the core, counted so that the host can wait for them.
#[derive(Clone, Default)]
pub struct LocalTasks {
    running: Rc<Cell<usize>>,
    changed: Rc<Notify>,
}

impl LocalTasks {
    /// Ends when no task runs.
    pub async fn idle(&self) {
        while self.running.get() > 0 {
            self.changed.notified().await;
        }
    }
}

struct Running(LocalTasks);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.set(self.0.running.get().saturating_sub(1));
        self.0.changed.notify_waiters();
    }
}

impl Tasks for LocalTasks {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        self.running.set(self.running.get().saturating_add(1));
        let running = Running(self.clone());
        tokio::task::spawn_local(async move {
            work.await;
            drop(running);
        });
    }
}

/// Heavy computation on its own threads, at most two at a time.
#[derive(Clone)]
pub struct BlockingCompute(Rc<tokio::sync::Semaphore>);

impl Default for BlockingCompute {
    fn default() -> Self {
        Self(Rc::new(tokio::sync::Semaphore::new(2)))
    }
}

#[async_trait(?Send)]
impl Compute for BlockingCompute {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        let permit = self.0.acquire().await;
        let result = tokio::task::spawn_blocking(work).await;
        drop(permit);
        // A panic of the work: the caller finds no value of its type.
        result.unwrap_or_else(|_| Box::new(()))
    }
}
