//! Rate limits of one process, in memory.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_app::limits::{gcra, micros, verdict};
use frontdesk_domain::error::Result;
use frontdesk_ports::{Clock, LimitKey, Limiter, Rule, Verdict};

/// How many keys are remembered. Forty bytes and a hash each: a few megabytes.
pub const MAX_KEYS: usize = 50_000;
/// How often keys are forgotten whose whole allowance is there again, in microseconds.
const CLEAN_EVERY: i64 = 60_000_000;

/// A [`Limiter`] in memory: exact, forgotten at a restart, at most [`MAX_KEYS`] keys. No cache of a library: those forget
/// what was used longest ago, so that a flood of other keys would give a caller who waits its allowance back.
pub struct MemoryLimiter {
    clock: Rc<dyn Clock>,
    max_keys: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// When the whole allowance of each key is there again, in microseconds.
    full_at: HashMap<LimitKey, i64>,
    cleaned_at: i64,
}

impl MemoryLimiter {
    /// An empty limiter.
    #[must_use]
    pub fn new(clock: Rc<dyn Clock>) -> Self {
        Self::with_capacity(clock, MAX_KEYS)
    }

    fn with_capacity(clock: Rc<dyn Clock>, max_keys: usize) -> Self {
        Self { clock, max_keys, state: RefCell::default() }
    }
}

impl State {
    /// Forgets what says nothing any more; when that is not enough, the half that would soonest say nothing. Each such
    /// cleaning makes room for as many keys as it checks, so a flood of keys costs constant time each.
    fn clean(&mut self, now: i64, max_keys: usize) {
        self.cleaned_at = now;
        self.full_at.retain(|_, full_at| *full_at > now);
        if self.full_at.len() < max_keys {
            return;
        }
        let mut times: Vec<i64> = self.full_at.values().copied().collect();
        let half = times.len().div_euclid(2);
        let (_, median, _) = times.select_nth_unstable(half);
        let (median, mut room) = (*median, max_keys.div_euclid(2));
        self.full_at.retain(|_, full_at| {
            let keep = *full_at >= median && room > 0;
            room = room.saturating_sub(usize::from(keep));
            keep
        });
    }
}

#[async_trait(?Send)]
impl Limiter for MemoryLimiter {
    async fn take(&self, key: LimitKey, cost: u32, rule: Rule) -> Result<Verdict> {
        let now = micros(self.clock.now());
        let mut state = self.state.borrow_mut();
        let due = now < state.cleaned_at || now.saturating_sub(state.cleaned_at) > CLEAN_EVERY;
        if due || state.full_at.len() >= self.max_keys {
            state.clean(now, self.max_keys);
        }
        let taken = gcra(rule).take(state.full_at.get(&key).copied(), now, cost);
        state.full_at.insert(key, taken.full_at);
        Ok(verdict(rule, taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frontdesk_domain::time::Timestamp;
    use frontdesk_testkit::{ManualClock, limiter_contract};
    use std::time::Duration;

    const RULE: Rule = Rule { limit: 5, window: Duration::from_secs(60) };

    fn clock() -> ManualClock {
        ManualClock::at(Timestamp::from_millis(1_700_000_000_000))
    }

    #[test]
    fn keeps_the_limiters_contract() {
        let clock = clock();
        crate::testing::run(limiter_contract(
            &MemoryLimiter::new(Rc::new(clock.clone())),
            &clock,
            clock.now(),
        ));
    }

    #[test]
    fn a_flood_of_keys_stays_bounded_and_the_busiest_are_remembered() {
        let clock = clock();
        let limiter = MemoryLimiter::with_capacity(Rc::new(clock.clone()), 100);
        crate::testing::run(async {
            for _ in 0..5 {
                limiter.take(LimitKey("busy".into()), 1, RULE).await.unwrap();
            }
            for n in 0..1_000 {
                clock.advance(Duration::from_millis(1));
                limiter.take(LimitKey(format!("{n}")), 1, RULE).await.unwrap();
                assert!(limiter.state.borrow().full_at.len() <= 100);
            }
            assert!(!limiter.take(LimitKey("busy".into()), 1, RULE).await.unwrap().allowed);
        });
    }

    #[test]
    fn what_says_nothing_any_more_is_forgotten() {
        let clock = clock();
        let limiter = MemoryLimiter::new(Rc::new(clock.clone()));
        crate::testing::run(async {
            limiter.take(LimitKey("a".into()), 1, RULE).await.unwrap();
            clock.advance(Duration::from_secs(3_600));
            limiter.take(LimitKey("b".into()), 1, RULE).await.unwrap();
            assert_eq!(limiter.state.borrow().full_at.len(), 1);
        });
    }
}
