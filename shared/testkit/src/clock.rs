//! Time that stands still until a test moves it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock};
use futures_channel::oneshot;

/// A clock that a test moves. Sleeps end when it has passed their end.
#[derive(Clone)]
pub struct ManualClock(Rc<ClockState>);

struct ClockState {
    now: Cell<Timestamp>,
    sleepers: RefCell<Vec<(Timestamp, oneshot::Sender<()>)>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Rc::new(ClockState { now: Cell::new(now), sleepers: RefCell::new(Vec::new()) }))
    }

    /// Moves it on; tasks that sleep until then wake.
    pub fn advance(&self, duration: Duration) {
        self.set(self.0.now.get().after(duration));
    }

    /// Sets it, also back.
    pub fn set(&self, now: Timestamp) {
        self.0.now.set(now);
        let due: Vec<_> = {
            let mut sleepers = self.0.sleepers.borrow_mut();
            let (due, later) = sleepers.drain(..).partition(|(until, _)| *until <= now);
            *sleepers = later;
            due
        };
        for (_, wake) in due {
            // The sleeper may have been dropped.
            let _ = wake.send(());
        }
    }
}

/// A clock that a test sets, wherever it is.
#[async_trait(?Send)]
pub trait SetClock {
    /// Sets it, also back.
    async fn set(&self, now: Timestamp);
}

#[async_trait(?Send)]
impl SetClock for ManualClock {
    async fn set(&self, now: Timestamp) {
        Self::set(self, now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.now.get()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = self.0.now.get().after(duration);
        let (wake, woken) = oneshot::channel();
        if duration.is_zero() {
            let _ = wake.send(());
        } else {
            self.0.sleepers.borrow_mut().push((until, wake));
        }
        Box::pin(async move {
            // Never woken when the clock is gone: the test is over.
            let _ = woken.await;
        })
    }
}
