//! How the calls to a service went lately: what `/health` says of it counts what visitors met first.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use frontdesk_domain::time::Timestamp;

/// How long an outcome counts.
const RECENT: Duration = Duration::from_secs(300);
/// How many outcomes of one service are remembered.
const MOST: usize = 50;

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// The service did what it is for, or refused one request for what stood in it.
    Ok,
    /// It refuses the key or the account, or the quota is used up.
    Refused,
    /// It has no such model.
    Missing,
    /// It asks to slow down.
    Limited,
    /// It does not answer, or not in time, or reports trouble of its own.
    Failing,
    /// Its answer cannot be read.
    Unreadable,
    /// It does not take what it is asked.
    Rejected,
    /// It answers, and says nothing.
    Empty,
}

/// The last outcomes by service.
#[derive(Debug, Default)]
pub struct Outcomes(RefCell<BTreeMap<&'static str, VecDeque<(Timestamp, CallOutcome)>>>);

impl Outcomes {
    /// Remembers how a call to `service` went.
    pub fn record(&self, service: &'static str, outcome: CallOutcome, now: Timestamp) {
        let mut all = self.0.borrow_mut();
        let seen = all.entry(service).or_default();
        seen.push_back((now, outcome));
        if seen.len() > MOST {
            seen.pop_front();
        }
    }

    /// The outcomes of the last 5 minutes, oldest first. A clock that was set back forgets what was later.
    #[must_use]
    pub fn recent(&self, service: &'static str, now: Timestamp) -> Vec<(Timestamp, CallOutcome)> {
        let all = self.0.borrow();
        let seen = all.get(service).into_iter().flatten().copied();
        seen.filter(|(at, _)| *at <= now && now.since(*at) < RECENT).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_count_for_five_minutes_and_are_bounded() {
        let (outcomes, at) =
            (Outcomes::default(), |seconds: i64| Timestamp::from_millis(1_700_000_000_000 + seconds * 1000));
        outcomes.record("model", CallOutcome::Refused, at(0));
        outcomes.record("model", CallOutcome::Ok, at(1));
        assert_eq!(
            outcomes.recent("model", at(299)),
            [(at(0), CallOutcome::Refused), (at(1), CallOutcome::Ok)]
        );
        assert_eq!(outcomes.recent("model", at(300)), [(at(1), CallOutcome::Ok)]);
        assert!(outcomes.recent("embeddings", at(1)).is_empty());
        assert!(outcomes.recent("model", at(-1)).is_empty());
        for _ in 0..1000 {
            outcomes.record("model", CallOutcome::Ok, at(2));
        }
        assert_eq!(outcomes.recent("model", at(2)).len(), MOST);
    }
}
