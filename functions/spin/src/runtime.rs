//! Time, randomness, work after the response and computation, as WASI has them.

use std::any::Any;
use std::rc::Weak;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock, Compute, Ctx, Ports, Random, Tasks};

use wit_bindgen::spawn_local;

use crate::background;

/// WASI's clocks.
pub struct WasiClock;

impl Clock for WasiClock {
    fn now(&self) -> Timestamp {
        let now = wasip3::clocks::system_clock::now();
        let millis = now.seconds.saturating_mul(1000).saturating_add(i64::from(now.nanoseconds / 1_000_000));
        Timestamp::from_millis(millis)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Box::pin(wasip3::clocks::monotonic_clock::wait_for(nanos))
    }
}

/// WASI's random source, which never fails.
pub struct WasiRandom;

impl Random for WasiRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let wanted = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let drawn = wasip3::random::random::get_random_bytes(wanted);
        for (byte, drawn) in bytes.iter_mut().zip(drawn) {
            *byte = drawn;
        }
    }
}

/// A task of the component: it goes on after the response and after the client has left.
pub struct Spawn {
    /// What a new job is worked through with.
    pub ports: Weak<Ports>,
}

impl Tasks for Spawn {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        spawn_local(work);
    }

    fn new_job(&self) {
        if let Some(ports) = self.ports.upgrade() {
            background::new_job(Ctx::new(ports));
        }
    }
}

/// There are no other threads here.
pub struct Inline;

#[async_trait(?Send)]
impl Compute for Inline {
    async fn run(&self, work: Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>) -> Box<dyn Any + Send> {
        work()
    }
}
