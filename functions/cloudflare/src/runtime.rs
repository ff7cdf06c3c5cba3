//! Time, randomness, work after the response and computation, as JavaScript has them.

use std::any::Any;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock, Compute, Random, Tasks};
use worker::{Context, Date, Delay, Env, State};

use crate::host;

/// The longest time that JavaScript's timers take, in milliseconds.
const MAX_TIMER: u64 = i32::MAX.unsigned_abs() as u64;

/// JavaScript's clock. The runtime lets it advance on I/O only.
pub struct JsClock;

impl Clock for JsClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(MAX_TIMER);
        Box::pin(Delay::from(Duration::from_millis(millis)))
    }
}

/// JavaScript's `crypto.getRandomValues`.
pub struct JsRandom;

impl Random for JsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            // Zeros would be predictable keys and ids. The runtime always has a random source; should it not, this
            // request must not go on.
            worker::console_error!("no random source");
            std::process::abort();
        }
    }
}

/// `waitUntil`: the runtime keeps the isolate until the work ends.
pub enum AfterResponse {
    /// Of a request.
    Request(Context, Env),
    /// Of an object. The runtime cuts such work when nobody comes for a minute: an object that works sets its alarm.
    Object(Rc<State>),
}

impl Tasks for AfterResponse {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        match self {
            Self::Request(context, _) => context.wait_until(work),
            Self::Object(state) => state.wait_until(work),
        }
    }

    fn new_job(&self) {
        if let Self::Request(context, env) = self
            && let Some(jobs) = host::jobs(env)
        {
            context.wait_until(jobs.announce_jobs());
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
