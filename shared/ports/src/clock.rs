//! Time, randomness, work after the response and heavy computation.

use std::any::Any;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::id::Entropy;
use frontdesk_domain::time::Timestamp;

use crate::BoxFuture;

/// Time.
pub trait Clock {
    /// The current time. It may go back when the machine's clock is set.
    fn now(&self) -> Timestamp;

    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Randomness from the operating system.
pub trait Random {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// The random part of a new identifier.
    fn entropy(&self) -> Entropy {
        let mut bytes = Entropy::default();
        self.fill(&mut bytes);
        bytes
    }
}

/// Work that goes on after the response.
pub trait Tasks {
    /// Runs `work` to its end, also when its client leaves meanwhile. `name` is for logs and metrics.
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>);

    /// The same for work that belongs to no request, socket or event of the host: a turn, a poller. A host that ends work
    /// with what began it keeps this going by other means.
    fn spawn_detached(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        self.spawn(name, work);
    }

    /// There is a new job. A host that polls for jobs by itself need not be told.
    fn new_job(&self) {}
}

/// Computation that would hold up all other requests: password hashing.
#[async_trait(?Send)]
pub trait Compute {
    /// Runs `work`, off the thread of the core where the host has other threads.
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send>;
}
