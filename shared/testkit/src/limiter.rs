//! What every limiter must do.

use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{LimitKey, Limiter, Rule, Verdict};

use crate::SetClock;

const RULE: Rule = Rule { limit: 5, window: Duration::from_secs(60) };

/// What every `Limiter` must do. It is empty and reads `clock`, which shows `now`.
///
/// # Panics
/// When it does not.
#[expect(clippy::expect_used, clippy::panic, reason = "a contract suite fails by panicking")]
pub async fn limiter_contract(limiter: &dyn Limiter, clock: &dyn SetClock, mut now: Timestamp) {
    let take = async |key: &str, cost: u32, rule: Rule| -> Verdict {
        limiter.take(LimitKey(key.to_owned()), cost, rule).await.expect("a verdict")
    };

    // The whole limit at once, counted down; then nothing until the first is back.
    for left in (0..5).rev() {
        let verdict = take("a", 1, RULE).await;
        assert!(verdict.allowed);
        assert_eq!((verdict.limit, verdict.remaining, verdict.retry_after), (5, left, Duration::ZERO));
    }
    let refused = take("a", 1, RULE).await;
    assert!(!refused.allowed);
    assert_eq!((refused.remaining, refused.retry_after), (0, Duration::from_secs(12)));
    assert_eq!(refused.reset, Duration::from_secs(60));

    // A refusal takes nothing; another key is another allowance.
    assert_eq!(take("a", 1, RULE).await, refused);
    assert!(take("b", 1, RULE).await.allowed);

    // Not a millisecond early, and not one late.
    now = now.after(Duration::from_millis(11_999));
    clock.set(now).await;
    assert!(!take("a", 1, RULE).await.allowed);
    now = now.after(Duration::from_millis(1));
    clock.set(now).await;
    assert!(take("a", 1, RULE).await.allowed);
    assert!(!take("a", 1, RULE).await.allowed);

    // Several at once, or none of them.
    let costly = take("c", 6, RULE).await;
    assert!(!costly.allowed, "more than the limit can never be allowed");
    assert_eq!(take("c", 3, RULE).await.remaining, 2);
    assert!(!take("c", 3, RULE).await.allowed);
    assert_eq!(take("c", 2, RULE).await.remaining, 0);

    // A clock that goes back refuses for at most one window.
    for _ in 0..5 {
        take("d", 1, RULE).await;
    }
    let back = Timestamp::from_millis(now.millis().saturating_sub(3_600_000));
    clock.set(back).await;
    assert_eq!(take("d", 1, RULE).await.retry_after, Duration::from_secs(12));
    clock.set(back.after(Duration::from_secs(12))).await;
    assert!(take("d", 1, RULE).await.allowed);
    clock.set(now).await;

    // A limit that is lowered holds at once.
    take("e", 1, RULE).await;
    let low = Rule { limit: 1, window: Duration::from_secs(60) };
    assert!(take("e2", 1, low).await.allowed);
    assert!(!take("e2", 1, low).await.allowed);

    // Many at the same moment: exactly the limit gets through.
    let together = futures_util::future::join_all((0..20).map(|_| take("f", 1, RULE))).await;
    let allowed = together.iter().filter(|verdict| verdict.allowed).count();
    if allowed != 5 {
        panic!("{allowed} of 20 at once were allowed, not 5");
    }
}
