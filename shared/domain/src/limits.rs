//! Rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371): one number per key, exact, without windows that
//! reset all at once.
//!
//! The number is the moment at which the whole allowance is there again. Times are microseconds since 1970.

use std::time::Duration;

/// A rule: `limit` at once, and each comes back after `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    limit: u32,
    /// Microseconds in which one comes back.
    interval: i64,
    /// Microseconds in which all come back.
    capacity: i64,
}

/// What taking led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Whether it was allowed; if not, nothing was taken.
    pub allowed: bool,
    /// The new number for the key.
    pub full_at: i64,
    /// How many more may follow at once.
    pub remaining: u32,
    /// Until the whole allowance is there again.
    pub reset: Duration,
    /// Until the same may succeed; zero when it was allowed. When it asks for more than the limit it can never
    /// succeed, and this is the time until the whole allowance is there.
    pub retry_after: Duration,
}

impl Gcra {
    /// `limit` (at least 1) per `window`. A window shorter than `limit` microseconds counts as that.
    #[must_use]
    pub fn new(limit: u32, window: Duration) -> Self {
        let limit = limit.max(1);
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let interval = window.checked_div(i64::from(limit)).unwrap_or(1).max(1);
        Self { limit, interval, capacity: interval.saturating_mul(i64::from(limit)) }
    }

    /// Microseconds that `cost` take to come back.
    #[must_use]
    pub fn cost(&self, cost: u32) -> i64 {
        self.interval.saturating_mul(i64::from(cost))
    }

    /// Microseconds in which the whole allowance comes back.
    #[must_use]
    pub const fn capacity(&self) -> i64 {
        self.capacity
    }

    /// Takes `cost` at `now`; `full_at` is the key's number, `None` when it has none. A number further ahead than the
    /// rule allows (the clock went back, or the limit was lowered) counts as an allowance that is just used up.
    #[must_use]
    pub fn take(&self, full_at: Option<i64>, now: i64, cost: u32) -> Taken {
        let before = self.clamp(full_at.unwrap_or(now), now);
        let after = before.saturating_add(self.cost(cost));
        let allowed = after.saturating_sub(now) <= self.capacity;
        self.verdict(allowed, if allowed { after } else { before }, now, cost)
    }

    /// The verdict for a number that a store has decided on.
    #[must_use]
    pub fn verdict(&self, allowed: bool, full_at: i64, now: i64, cost: u32) -> Taken {
        let full_at = self.clamp(full_at, now);
        let used = full_at.saturating_sub(now);
        let free = self.capacity.saturating_sub(used);
        let remaining = u32::try_from(free.checked_div(self.interval).unwrap_or(0)).unwrap_or(u32::MAX);
        let missing = self.cost(cost).saturating_sub(free).clamp(0, used.max(0));
        Taken {
            allowed,
            full_at,
            remaining: remaining.min(self.limit),
            reset: micros(used),
            retry_after: if allowed { Duration::ZERO } else { micros(missing) },
        }
    }

    fn clamp(&self, full_at: i64, now: i64) -> i64 {
        full_at.clamp(now, now.saturating_add(self.capacity))
    }
}

fn micros(value: i64) -> Duration {
    Duration::from_micros(u64::try_from(value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_whole_limit_may_come_at_once_and_then_one_by_one() {
        let rule = Gcra::new(5, MINUTE);
        let mut state = None;
        for left in (0..5).rev() {
            let taken = rule.take(state, NOW, 1);
            assert!(taken.allowed);
            assert_eq!((taken.remaining, taken.retry_after), (left, Duration::ZERO));
            state = Some(taken.full_at);
        }
        let refused = rule.take(state, NOW, 1);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_secs(12));
        assert_eq!(refused.reset, MINUTE);
        assert!(!rule.take(Some(refused.full_at), NOW + 11_999_999, 1).allowed);
        assert!(rule.take(Some(refused.full_at), NOW + 12_000_000, 1).allowed);
    }

    #[test]
    fn a_clock_that_goes_back_by_an_hour_refuses_for_at_most_one_window() {
        let rule = Gcra::new(5, MINUTE);
        let state = rule.take(None, NOW, 5).full_at;
        let earlier = NOW - 3_600_000_000;
        let refused = rule.take(Some(state), earlier, 1);
        assert!(!refused.allowed);
        assert_eq!(refused.retry_after, Duration::from_secs(12));
        assert!(rule.take(Some(refused.full_at), earlier + 12_000_000, 1).allowed);
    }

    #[test]
    fn more_than_the_limit_is_never_allowed() {
        let rule = Gcra::new(5, MINUTE);
        assert!(!rule.take(None, NOW, 6).allowed);
        assert!(rule.take(None, NOW, 5).allowed);
    }

    /// A bucket that holds tokens as exact fractions of `interval`.
    struct Naive {
        level: i64,
        at: i64,
    }

    proptest! {
        #[test]
        fn agrees_with_a_token_bucket(
            limit in 1u32..50,
            seconds in 1u64..120,
            steps in prop::collection::vec((0i64..5_000_000, 1u32..4), 1..200),
        ) {
            let rule = Gcra::new(limit, Duration::from_secs(seconds));
            let (interval, capacity) = (rule.interval, rule.capacity);
            let mut bucket = Naive { level: capacity, at: NOW };
            let mut state = None;
            let mut now = NOW;
            for (wait, cost) in steps {
                now += wait;
                bucket.level = (bucket.level + (now - bucket.at)).min(capacity);
                bucket.at = now;
                let want = interval * i64::from(cost);
                let allowed = bucket.level >= want;
                let missing = (want - bucket.level).max(0);
                if allowed {
                    bucket.level -= want;
                }
                let taken = rule.take(state, now, cost);
                prop_assert_eq!(taken.allowed, allowed);
                prop_assert_eq!(i64::from(taken.remaining), bucket.level / interval);
                prop_assert_eq!(taken.reset, micros(capacity - bucket.level));
                if !allowed && cost <= limit {
                    prop_assert_eq!(taken.retry_after, micros(missing));
                    // Exact: it succeeds then, and not a microsecond sooner.
                    prop_assert!(rule.take(Some(taken.full_at), now + missing, cost).allowed);
                    prop_assert!(!rule.take(Some(taken.full_at), now + missing - 1, cost).allowed);
                }
                state = Some(taken.full_at);
            }
        }

        #[test]
        fn nothing_overflows(full_at in any::<i64>(), now in any::<i64>(), cost in any::<u32>(), limit in any::<u32>(), ms in any::<u64>()) {
            let taken = Gcra::new(limit, Duration::from_millis(ms)).take(Some(full_at), now, cost);
            prop_assert!(taken.remaining <= limit.max(1));
        }
    }
}
