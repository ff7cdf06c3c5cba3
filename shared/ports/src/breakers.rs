//! The circuit breakers of a host, by service and address (for a model, its name too).

use std::cell::RefCell;
use std::fmt;
use std::num::NonZeroUsize;
use std::rc::Rc;

use frontdesk_domain::breaker::{Breaker, State};
use frontdesk_domain::time::Timestamp;
use lru::LruCache;

/// At most so many addresses are remembered; those that were called longest ago are forgotten first.
const MAX_BREAKERS: NonZeroUsize = NonZeroUsize::new(512).unwrap();

type Key = (&'static str, String);

/// The circuit breakers of a host. Clones share their state.
#[derive(Clone)]
pub struct Breakers(Rc<RefCell<LruCache<Key, Breaker>>>);

impl Default for Breakers {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(LruCache::new(MAX_BREAKERS))))
    }
}

impl fmt::Debug for Breakers {
    // Addresses may hold an organisation's name; they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breakers").field("len", &self.0.borrow().len()).finish()
    }
}

impl Breakers {
    /// Asks for one call to `service` under `address`; `None` when the circuit is open.
    #[must_use]
    pub fn enter(&self, service: &'static str, address: &str, now: Timestamp) -> Option<Permit> {
        let key = (service, address.to_owned());
        let mut all = self.0.borrow_mut();
        let breaker = all.get_or_insert_mut(key.clone(), Breaker::default);
        if !breaker.allow(now) {
            return None;
        }
        let probe = breaker.state() == State::HalfOpen;
        Some(Permit { breakers: self.clone(), key, probe, judged: false })
    }

    /// The worst state among the addresses of `service`.
    #[must_use]
    pub fn state(&self, service: &'static str) -> State {
        let all = self.0.borrow();
        all.iter()
            .filter(|((name, _), _)| *name == service)
            .map(|(_, breaker)| breaker.state())
            .max()
            .unwrap_or(State::Closed)
    }

    fn with(&self, key: &Key, change: impl FnOnce(&mut Breaker)) {
        if let Some(breaker) = self.0.borrow_mut().peek_mut(key) {
            change(breaker);
        }
    }
}

/// One call that a breaker let through. Dropped without a verdict it counts as neither.
#[derive(Debug)]
#[must_use = "say how the call went"]
pub struct Permit {
    breakers: Breakers,
    key: Key,
    probe: bool,
    judged: bool,
}

impl Permit {
    /// The service answers. A later failure of the same call still counts.
    pub fn success(&mut self) {
        self.judged = true;
        self.breakers.with(&self.key, Breaker::success);
    }

    /// The service failed; `caller` tells whose call it was, where one caller's own words may be the cause.
    pub fn failure(&mut self, now: Timestamp, caller: Option<u64>) {
        self.judged = true;
        let probe = self.probe;
        self.breakers.with(&self.key, |breaker| {
            // The verdict on a probe is the probe's own.
            if probe || breaker.state() != State::HalfOpen {
                breaker.failure(now, caller);
            }
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.probe && !self.judged {
            self.breakers.with(&self.key, Breaker::withdrawn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(1_700_000_000_000))
    }

    #[test]
    fn each_address_has_its_own() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            breakers.enter("model", "http://a", at(0)).unwrap().failure(at(0), None);
        }
        assert!(breakers.enter("model", "http://a", at(1)).is_none());
        assert!(breakers.enter("model", "http://b", at(1)).is_some());
        assert!(breakers.enter("embeddings", "http://a", at(1)).is_some());
        assert_eq!(breakers.state("model"), State::Open);
        assert_eq!(breakers.state("embeddings"), State::Closed);
    }

    #[test]
    fn a_caller_that_leaves_frees_the_probe() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            breakers.enter("model", "http://a", at(0)).unwrap().failure(at(0), None);
        }
        drop(breakers.enter("model", "http://a", at(30)).unwrap());
        assert!(breakers.enter("model", "http://a", at(31)).is_some());
    }

    #[test]
    fn remembers_a_bounded_number_of_addresses_and_those_that_are_called() {
        let breakers = Breakers::default();
        for _ in 0..5 {
            breakers.enter("model", "http://a", at(0)).unwrap().failure(at(0), None);
        }
        for n in 0..2000 {
            breakers.enter("pages", &format!("http://{n}"), at(0)).unwrap().failure(at(0), None);
            assert!(breakers.enter("model", "http://a", at(1)).is_none(), "the open circuit is forgotten");
        }
        assert_eq!(breakers.0.borrow().len(), MAX_BREAKERS.get());
    }
}
