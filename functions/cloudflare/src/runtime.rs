//! Time, randomness, work after the response and computation, as JavaScript has them.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::rooms::Alarm;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock, Compute, Random, Tasks};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Context, Date, Delay, State};

use crate::event::in_this_event;
use crate::objects::Objects;

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
    /// Of a request, which tells the object of jobs that there is a new one.
    Request(Context, Option<Objects>),
    /// Of an object. The runtime cuts such work when no request comes for a minute: an object that works sets its alarm.
    Object(Rc<State>),
    /// Of a room.
    Room(Rc<Detached>),
}

/// Turns that wait for an event of their own: work that a socket's frame began is cut when the socket goes. The object's
/// alarm belongs to no socket.
pub struct Detached {
    state: Rc<State>,
    alarm: Rc<dyn Alarm>,
    waiting: RefCell<Vec<BoxFuture<'static, ()>>>,
}

impl Detached {
    /// None yet, of the object with this state and alarm.
    pub fn new(state: Rc<State>, alarm: Rc<dyn Alarm>) -> Self {
        Self { state, alarm, waiting: RefCell::default() }
    }

    /// Keeps `work` for the alarm, which goes off at once.
    fn add(&self, work: BoxFuture<'static, ()>) {
        self.waiting.borrow_mut().push(work);
        let alarm = self.alarm.clone();
        spawn_local(async move {
            // Should it fail: while a turn is open, the alarm is set for soon.
            if let Err(error) = alarm.within(Duration::ZERO).await {
                tracing::warn!(%error, "a room's alarm was not set");
            }
        });
    }

    /// Runs what waits, as part of the event that calls this.
    pub fn run(&self) {
        for work in self.waiting.take() {
            self.state.wait_until(in_this_event(work));
        }
    }
}

impl Tasks for AfterResponse {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        match self {
            Self::Request(context, _) => context.wait_until(work),
            Self::Object(state) => state.wait_until(work),
            Self::Room(detached) => detached.state.wait_until(work),
        }
    }

    fn spawn_detached(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        match self {
            Self::Room(detached) => detached.add(work),
            Self::Request(..) | Self::Object(_) => self.spawn(name, work),
        }
    }

    fn new_job(&self) {
        if let Self::Request(context, Some(jobs)) = self {
            let jobs = jobs.clone();
            context.wait_until(async move { jobs.announce_jobs().await });
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
