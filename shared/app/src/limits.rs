//! Rate limits that several processes share: in the database, or by objects that count.

mod remote;

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::limits::{Gcra, Taken};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Clock, Config, Database, DbError, LimitKey, Limiter, Rows, Rule, Verdict};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::auth::tokens::derived_key;
use crate::store;

pub use remote::{RemoteLimiter, answer};

/// How many calls pass between two cleanings.
const CLEAN_EVERY: u32 = 500;

/// A [`Limiter`] over the database: one statement, one round trip.
pub struct DatabaseLimiter {
    db: Rc<dyn Database>,
    clock: Rc<dyn Clock>,
    /// Makes the stored keys useless to a reader of the table: addresses are few enough to be tried out.
    pepper: [u8; 32],
    calls: Cell<u32>,
}

impl DatabaseLimiter {
    /// A limiter over this database.
    #[must_use]
    pub fn new(db: Rc<dyn Database>, clock: Rc<dyn Clock>, config: &Config) -> Self {
        Self { db, clock, pepper: derived_key(config, "frontdesk:limits"), calls: Cell::new(0) }
    }
}

/// Makes the table that [`DatabaseLimiter`] needs in a database of its own, or brings it up to date.
///
/// # Errors
/// When a newer version took away what this one needs, or the database refuses.
pub async fn create(db: &dyn Database) -> Result<(), DbError> {
    store::own_schema::migrate(db, store::own_schema::LIMITER).await
}

/// The rule as the algorithm wants it.
#[must_use]
pub fn gcra(rule: Rule) -> Gcra {
    Gcra::new(rule.limit, rule.window)
}

/// The port's verdict.
#[must_use]
pub fn verdict(rule: Rule, taken: Taken) -> Verdict {
    Verdict {
        allowed: taken.allowed,
        limit: rule.limit.max(1),
        remaining: taken.remaining,
        reset: taken.reset,
        retry_after: taken.retry_after,
    }
}

/// Microseconds since 1970.
#[must_use]
pub fn micros(now: Timestamp) -> i64 {
    now.millis().saturating_mul(1000)
}

#[async_trait(?Send)]
impl Limiter for DatabaseLimiter {
    async fn take(&self, key: LimitKey, cost: u32, rule: Rule) -> Result<Verdict> {
        let gcra = gcra(rule);
        let now = micros(self.clock.now());
        let (hash, _) = Hkdf::<Sha256>::extract(Some(&self.pepper), key.0.as_bytes());
        let take = store::rate_limits::Take {
            key: hex::encode(hash),
            now,
            cost: gcra.cost(cost),
            capacity: gcra.capacity(),
        };
        let mut statements = vec![store::rate_limits::take(&take)];
        let calls = self.calls.get().wrapping_add(1);
        self.calls.set(calls);
        if calls.checked_rem(CLEAN_EVERY) == Some(0) {
            statements.push(store::rate_limits::delete_full(now));
        }
        let results = self.db.batch(statements).await?;
        let row =
            results.first().and_then(Rows::first).ok_or_else(|| Error::ours("the limiter gave no row"))?;
        Ok(verdict(rule, gcra.verdict(row.int(1)? == 0, row.int(0)?, now, cost)))
    }
}
