//! The circuit breaker: a service that failed often is not asked for a while, so that its callers step down at once
//! instead of waiting for the next deadline.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Timestamp;

/// So many failures within [`FAILURE_WINDOW`] open the circuit.
pub const FAILURES_TO_OPEN: usize = 5;
/// How far back failures count.
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);
/// How long an open circuit waits for its next probe; also how long a probe may stay without a verdict.
pub const PROBE_AFTER: Duration = Duration::from_secs(30);

/// So many failures of one caller count.
pub const MOST_OF_ONE: usize = 3;
/// So many failures are remembered.
const MOST_REMEMBERED: usize = 50;

/// What the breaker does with calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Every call goes through.
    Closed,
    /// One probe is under way; its verdict closes or opens.
    HalfOpen,
    /// No call goes through until the next probe is due.
    Open,
}

impl State {
    /// As the metric says it: 0 closed, 1 half open, 2 open.
    #[must_use]
    pub const fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// One breaker: of one service under one address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: VecDeque<(Timestamp, Option<u64>)>,
    opened: Option<Timestamp>,
    probing: Option<Timestamp>,
}

impl Breaker {
    /// What it does with calls.
    #[must_use]
    pub const fn state(&self) -> State {
        match (self.opened, self.probing) {
            (None, _) => State::Closed,
            (Some(_), Some(_)) => State::HalfOpen,
            (Some(_), None) => State::Open,
        }
    }

    /// Asks for one call. `true` on an open circuit makes this call the probe.
    pub fn allow(&mut self, now: Timestamp) -> bool {
        let Some(opened) = self.opened else { return true };
        let waiting_since = self.probing.unwrap_or(opened);
        if now < waiting_since {
            // The clock went back: wait the full time from here, not until the old time comes again.
            if self.probing.is_some() {
                self.probing = Some(now);
            } else {
                self.opened = Some(now);
            }
            return false;
        }
        if now.since(waiting_since) < PROBE_AFTER {
            return false;
        }
        self.probing = Some(now);
        true
    }

    /// A call succeeded: the circuit closes.
    pub fn success(&mut self) {
        *self = Self::default();
    }

    /// A call failed. Late failures of calls that began before the circuit opened change nothing.
    ///
    /// Of one `caller` only [`MOST_OF_ONE`] count: its own words may be the cause, and others must not pay for them.
    pub fn failure(&mut self, now: Timestamp, caller: Option<u64>) {
        if self.opened.is_some() {
            if self.probing.take().is_some() {
                self.opened = Some(now);
            }
            return;
        }
        self.failures.retain(|&(at, _)| at <= now && now.since(at) < FAILURE_WINDOW);
        self.failures.push_back((now, caller));
        if self.failures.len() > MOST_REMEMBERED {
            self.failures.pop_front();
        }
        if self.weight() >= FAILURES_TO_OPEN {
            self.failures.clear();
            self.opened = Some(now);
        }
    }

    /// How many failures count.
    fn weight(&self) -> usize {
        let mut counted: Vec<(u64, usize)> = Vec::new();
        let mut weight = 0_usize;
        for (_, caller) in &self.failures {
            let Some(caller) = caller else {
                weight = weight.saturating_add(1);
                continue;
            };
            match counted.iter_mut().find(|(other, _)| other == caller) {
                Some((_, count)) if *count >= MOST_OF_ONE => continue,
                Some((_, count)) => *count = count.saturating_add(1),
                None => counted.push((*caller, 1)),
            }
            weight = weight.saturating_add(1);
        }
        weight
    }

    /// A call ended without a verdict (its caller left): a probe may be tried again at once.
    pub fn withdrawn(&mut self) {
        if self.probing.take().is_some() {
            self.opened = Some(Timestamp::from_millis(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds.saturating_mul(1000).saturating_add(1_700_000_000_000))
    }

    fn opened_at(seconds: i64) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failure(at(seconds), None);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_minute_open_it() {
        let mut breaker = Breaker::default();
        for second in [0, 10, 20, 30] {
            breaker.failure(at(second), None);
            assert!(breaker.allow(at(second)));
        }
        breaker.failure(at(59), None);
        assert_eq!(breaker.state(), State::Open);
        assert!(!breaker.allow(at(59)));
    }

    #[test]
    fn one_caller_alone_opens_nothing() {
        let mut breaker = Breaker::default();
        for second in 0..59 {
            breaker.failure(at(second), Some(1));
        }
        assert_eq!(breaker.state(), State::Closed);
        breaker.failure(at(59), Some(2));
        assert_eq!(breaker.state(), State::Closed);
        breaker.failure(at(59), Some(3));
        assert_eq!(breaker.state(), State::Open);
    }

    #[test]
    fn failures_older_than_a_minute_do_not_count() {
        let mut breaker = Breaker::default();
        for second in [0, 10, 20, 30, 60] {
            breaker.failure(at(second), None);
        }
        assert_eq!(breaker.state(), State::Closed);
        assert!(breaker.allow(at(60)));
    }

    #[test]
    fn a_success_forgets_the_failures() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failure(at(0), None);
        }
        breaker.success();
        breaker.failure(at(1), None);
        assert!(breaker.allow(at(1)));
    }

    #[test]
    fn after_thirty_seconds_exactly_one_probe_goes_through() {
        let mut breaker = opened_at(0);
        assert!(!breaker.allow(at(29)));
        assert!(breaker.allow(at(30)));
        assert_eq!(breaker.state(), State::HalfOpen);
        assert!(!breaker.allow(at(30)));
    }

    #[test]
    fn the_probe_decides() {
        let mut breaker = opened_at(0);
        assert!(breaker.allow(at(30)));
        breaker.failure(at(31), None);
        assert_eq!(breaker.state(), State::Open);
        assert!(!breaker.allow(at(60)));
        assert!(breaker.allow(at(61)));
        breaker.success();
        assert_eq!(breaker.state(), State::Closed);
        assert!(breaker.allow(at(61)));
    }

    #[test]
    fn late_failures_do_not_put_the_probe_off() {
        let mut breaker = opened_at(0);
        breaker.failure(at(29), None);
        assert!(breaker.allow(at(30)));
    }

    #[test]
    fn a_withdrawn_probe_lets_the_next_caller_probe() {
        let mut breaker = opened_at(0);
        assert!(breaker.allow(at(30)));
        breaker.withdrawn();
        assert_eq!(breaker.state(), State::Open);
        assert!(breaker.allow(at(31)));
    }

    #[test]
    fn a_probe_that_never_ends_is_replaced() {
        let mut breaker = opened_at(0);
        assert!(breaker.allow(at(30)));
        assert!(!breaker.allow(at(59)));
        assert!(breaker.allow(at(60)));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_keep_it_open() {
        let mut breaker = opened_at(100_000);
        assert!(!breaker.allow(at(0)));
        assert!(!breaker.allow(at(29)));
        assert!(breaker.allow(at(30)));
    }
}
