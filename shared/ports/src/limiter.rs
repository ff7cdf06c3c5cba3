//! Rate limits.

use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::error::Result;

/// What is limited: `login:203.0.113.7`, `post:org_…:203.0.113.7`. Stored hashed where it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey(pub String);

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// How many, at least 1.
    pub limit: u32,
    /// In how long.
    pub window: Duration,
}

/// The verdict, with what the `RateLimit` and `Retry-After` fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may go on.
    pub allowed: bool,
    /// The rule's limit.
    pub limit: u32,
    /// How many more may follow at once.
    pub remaining: u32,
    /// Until the full limit is there again.
    pub reset: Duration,
    /// Until the next one may succeed; zero when allowed.
    pub retry_after: Duration,
}

/// Counts per key, exactly.
#[async_trait(?Send)]
pub trait Limiter {
    /// Takes `cost` from the allowance of `key`; takes nothing when it is not allowed.
    ///
    /// # Errors
    /// An upstream error when the store is out of reach; callers let the request through then.
    async fn take(&self, key: LimitKey, cost: u32, rule: Rule) -> Result<Verdict>;
}
