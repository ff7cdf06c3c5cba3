//! What dies is counted, logged with its cause, begun again where it is a loop, and remembered for `/health`.
//!
//! A target without unwinding catches nothing: there a panic ends the instance, and the runtime makes a new one.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use futures_util::FutureExt as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::{BoxFuture, Ctx, backoff};

/// Before a loop that died for the first time begins again.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Before one that dies again and again does.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A loop that ran so long before it died counts as one that dies for the first time.
const STEADY: Duration = Duration::from_secs(60);
/// How long a death is remembered.
const REMEMBERED: Duration = Duration::from_secs(600);
/// More deaths of one name than this within that time are too many.
const TOLERATED: usize = 2;
/// How many deaths of one name are remembered at most.
const MOST_REMEMBERED: usize = 100;
/// The longest cause, in characters.
const MAX_CAUSE_CHARS: usize = 160;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Which loop or task.
    pub name: &'static str,
    /// How often it died within the last 10 minutes.
    pub deaths: usize,
    /// Whether it is a loop that is not running at this moment.
    pub resting: bool,
}

/// What is known of the loops and tasks of a process. Clones share it, also between threads.
#[derive(Debug, Clone, Default)]
pub struct Supervision {
    counter: Family<[(&'static str, &'static str); 1], Counter>,
    seen: Arc<Mutex<BTreeMap<&'static str, Seen>>>,
}

#[derive(Debug, Default)]
struct Seen {
    deaths: VecDeque<Timestamp>,
    resting: bool,
}

impl Supervision {
    /// The counter of deaths by `name`.
    pub(crate) fn counter(&self) -> Family<[(&'static str, &'static str); 1], Counter> {
        self.counter.clone()
    }

    /// A panic in here could only come from a panic in here: what is stored stays good.
    fn seen(&self) -> MutexGuard<'_, BTreeMap<&'static str, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something died. `cause` holds no text of a visitor: see [`cause`].
    pub fn died(&self, name: &'static str, cause: &str, now: Timestamp) {
        tracing::error!(name, cause, "died");
        self.has_died(name, now);
    }

    /// Something died that could not say so itself.
    pub fn has_died(&self, name: &'static str, now: Timestamp) {
        self.counter.get_or_create(&[("name", name)]).inc();
        let mut all = self.seen();
        let seen = all.entry(name).or_default();
        seen.deaths.push_back(now);
        if seen.deaths.len() > MOST_REMEMBERED {
            seen.deaths.pop_front();
        }
    }

    fn rests(&self, name: &'static str, resting: bool) {
        self.seen().entry(name).or_default().resting = resting;
    }

    /// What died too often lately, and loops that wait until they begin again.
    #[must_use]
    pub fn troubles(&self, now: Timestamp) -> Vec<Trouble> {
        let mut all = self.seen();
        let troubles = all.iter_mut().filter_map(|(name, seen)| {
            // A clock that was set back makes what it saw later old.
            seen.deaths.retain(|at| *at <= now && now.since(*at) < REMEMBERED);
            let trouble = Trouble { name, deaths: seen.deaths.len(), resting: seen.resting };
            (trouble.resting || trouble.deaths > TOLERATED).then_some(trouble)
        });
        troubles.collect()
    }
}

/// Runs `work`; when it panics, why.
///
/// # Errors
/// The [`cause`].
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| cause(panic.as_ref()))
}

/// What a panic says, for the log: without what it quotes, which may be a visitor's text (a slice of a text off its
/// boundaries quotes the text).
#[must_use]
pub fn cause(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic");
    let plain = text.split(['`', '\'', '"', '\n']).next().unwrap_or_default();
    plain.chars().take(MAX_CAUSE_CHARS).collect::<String>().trim_end().to_owned()
}

/// Keeps a loop running: whenever it dies or ends, it begins again after a pause that grows.
pub async fn supervise(ctx: Ctx, name: &'static str, mut begin: impl FnMut() -> BoxFuture<'static, ()>) {
    let supervision = ctx.metrics.supervision.clone();
    let mut failures = 0_u32;
    loop {
        supervision.rests(name, false);
        let began = ctx.clock.now();
        let cause = match caught(async { begin().await }).await {
            Ok(()) => "it ended".to_owned(),
            Err(cause) => cause,
        };
        let now = ctx.clock.now();
        failures = if now.since(began) >= STEADY { 1 } else { failures.saturating_add(1) };
        supervision.died(name, &cause, now);
        supervision.rests(name, true);
        ctx.clock.sleep(backoff(ctx.random.as_ref(), FIRST_PAUSE, LONGEST_PAUSE, failures)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn a_death_or_two_is_no_trouble_and_three_are_until_they_are_old() {
        let supervision = Supervision::default();
        for second in 0..3 {
            assert!(supervision.troubles(at(second)).is_empty());
            supervision.died("turn", "a defect", at(second));
        }
        let trouble = Trouble { name: "turn", deaths: 3, resting: false };
        assert_eq!(supervision.troubles(at(3)), [trouble]);
        assert!(supervision.troubles(at(601)).is_empty());
    }

    #[test]
    fn a_loop_that_rests_is_a_trouble_until_it_runs() {
        let supervision = Supervision::default();
        supervision.died("jobs", "a defect", at(0));
        supervision.rests("jobs", true);
        assert_eq!(supervision.troubles(at(0)), [Trouble { name: "jobs", deaths: 1, resting: true }]);
        supervision.rests("jobs", false);
        assert!(supervision.troubles(at(0)).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let supervision = Supervision::default();
        for _ in 0..10_000 {
            supervision.died("request", "a defect", at(0));
        }
        assert_eq!(supervision.troubles(at(0))[0].deaths, MOST_REMEMBERED);
    }

    #[test]
    fn a_cause_quotes_no_text_of_a_visitor() {
        let text = "ünder pressure, my number is 4111";
        let panic = futures_executor::block_on(caught(async { text[..1].len() })).unwrap_err();
        assert!(panic.contains("boundary") && !panic.contains("4111"), "{panic}");
        let long = "x".repeat(10_000);
        assert_eq!(cause(&long).len(), MAX_CAUSE_CHARS);
        assert_eq!(cause(&7), "a panic");
    }
}
