//! Time, randomness, tasks and computation on one machine.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock, Compute, Random, Supervision, Tasks, caught, cause};
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
#[derive(Clone)]
pub struct LocalTasks {
    running: Rc<Cell<usize>>,
    changed: Rc<Notify>,
    clock: Rc<dyn Clock>,
    supervision: Supervision,
}

impl LocalTasks {
    /// None yet. What dies is told to `supervision`.
    #[must_use]
    pub fn new(clock: Rc<dyn Clock>, supervision: Supervision) -> Self {
        Self { running: Rc::default(), changed: Rc::default(), clock, supervision }
    }

    /// `work` whose panic is counted under `name` and harms nothing else.
    pub fn guarded(
        &self,
        name: &'static str,
        work: BoxFuture<'static, ()>,
    ) -> impl Future<Output = ()> + use<> {
        let (clock, supervision) = (Rc::clone(&self.clock), self.supervision.clone());
        async move {
            if let Err(cause) = caught(work).await {
                supervision.died(name, &cause, clock.now());
            }
        }
    }

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
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        self.running.set(self.running.get().saturating_add(1));
        let running = Running(self.clone());
        let work = self.guarded(name, work);
        tokio::task::spawn_local(async move {
            work.await;
            drop(running);
        });
    }
}

/// Heavy computation on its own threads, at most two at a time.
#[derive(Clone)]
pub struct BlockingCompute {
    places: Rc<tokio::sync::Semaphore>,
    supervision: Supervision,
}

impl BlockingCompute {
    /// What dies is told to `supervision`.
    #[must_use]
    pub fn new(supervision: Supervision) -> Self {
        Self { places: Rc::new(tokio::sync::Semaphore::new(2)), supervision }
    }
}

#[async_trait(?Send)]
impl Compute for BlockingCompute {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        let permit = self.places.acquire().await;
        let result = tokio::task::spawn_blocking(work).await;
        drop(permit);
        result.unwrap_or_else(|error| {
            if let Ok(panic) = error.try_into_panic() {
                self.supervision.died("compute", &cause(panic.as_ref()), SystemClock.now());
            }
            // The caller finds no value of its type.
            Box::new(())
        })
    }
}
