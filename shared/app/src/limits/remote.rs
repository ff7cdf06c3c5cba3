//! Limits that objects count: [`RemoteLimiter`] asks, [`answer`] answers. A key is always with the same object.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_domain::error::{Error, Result};
use frontdesk_ports::{LimitKey, Limiter, Rule, Verdict};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use crate::remote::Transport;

/// How many objects share the keys.
const SHARDS: u64 = 64;

/// What an object is asked; times in milliseconds.
#[derive(Serialize, Deserialize)]
struct TakeCall {
    key: String,
    cost: u32,
    limit: u32,
    window_ms: u64,
}

/// What it answers; times in milliseconds.
#[derive(Serialize, Deserialize)]
struct TakeAnswer {
    allowed: bool,
    remaining: u32,
    reset_ms: u64,
    retry_after_ms: u64,
}

/// A [`Limiter`] that objects count for, sharded by key.
pub struct RemoteLimiter(pub Rc<dyn Transport>);

#[async_trait(?Send)]
impl Limiter for RemoteLimiter {
    async fn take(&self, key: LimitKey, cost: u32, rule: Rule) -> Result<Verdict> {
        let name = shard(&key.0);
        let take = TakeCall { key: key.0, cost, limit: rule.limit, window_ms: millis(rule.window) };
        let call = serde_json::to_string(&take).map_err(|error| failed(&error))?;
        let answer = self.0.send(&name, call).await.map_err(|error| failed(&error))?;
        let whole = answer.try_fold(Vec::new(), async |mut whole, piece| {
            whole.extend_from_slice(&piece);
            Ok(whole)
        });
        let whole = whole.await.map_err(|error| failed(&error))?;
        let taken: TakeAnswer = serde_json::from_slice(&whole).map_err(|error| failed(&error))?;
        Ok(Verdict {
            allowed: taken.allowed,
            limit: rule.limit.max(1),
            remaining: taken.remaining,
            reset: Duration::from_millis(taken.reset_ms),
            retry_after: Duration::from_millis(taken.retry_after_ms),
        })
    }
}

/// Answers a call by `limiter`.
///
/// # Errors
/// When the call is not one, or `limiter` fails.
pub async fn answer(limiter: &dyn Limiter, call: &[u8]) -> Result<Vec<u8>> {
    let take: TakeCall = serde_json::from_slice(call).map_err(|error| Error::ours(error.to_string()))?;
    let rule = Rule { limit: take.limit, window: Duration::from_millis(take.window_ms) };
    let verdict = limiter.take(LimitKey(take.key), take.cost, rule).await?;
    let taken = TakeAnswer {
        allowed: verdict.allowed,
        remaining: verdict.remaining,
        reset_ms: millis(verdict.reset),
        retry_after_ms: millis(verdict.retry_after),
    };
    serde_json::to_vec(&taken).map_err(|error| Error::ours(error.to_string()))
}

fn failed(error: &impl ToString) -> Error {
    Error::Upstream { service: "limiter", retryable: true, detail: error.to_string() }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// FNV-1a: which object counts a key must not change with the version of a library.
fn shard(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("limits-{}", hash.rem_euclid(SHARDS))
}
