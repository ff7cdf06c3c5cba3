//! Calls from the Worker to its objects.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::rooms::{Call, Transport};
use frontdesk_clients::bounded;
use frontdesk_domain::error::{Error, Result};
use frontdesk_ports::{ByteStream, Clock, Egress, FetchError, FetchLimits, LimitKey, Limiter, Rule, Verdict};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use worker::{Method, ObjectNamespace, Request, RequestInit};

use crate::convert;

/// How many limiter objects share the keys. Each is a thread of its own, and a key is always with the same one.
const LIMITERS: u64 = 64;

/// An object answers within this, or not at all: one that was taken down by somebody else's fault never does.
const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(10),
    head: Duration::from_secs(20),
    // Longer than a subscription's signs of life.
    gap: Duration::from_secs(45),
    total: Duration::from_secs(24 * 60 * 60),
    max_bytes: u64::MAX,
    egress: Egress::Configured,
};

/// Says which socket a request to a room object is to become: a session's state as JSON. Only the Worker in front can send
/// it: objects are reached through their binding alone.
pub const SOCKET_HEADER: &str = "x-frontdesk-socket";

/// The objects of one class.
pub struct Objects {
    namespace: ObjectNamespace,
    clock: Rc<dyn Clock>,
}

impl Objects {
    /// The objects of this binding.
    pub fn new(namespace: ObjectNamespace, clock: Rc<dyn Clock>) -> Self {
        Self { namespace, clock }
    }

    /// Sends `body` to the object of this name; what it answers.
    pub async fn send(&self, name: &str, body: &str) -> Result<ByteStream, FetchError> {
        let unreachable = |error: worker::Error| FetchError::Connect(error.to_string());
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(body.into()));
        let request = Request::new_with_init("https://object/", &init).map_err(unreachable)?;
        let stub = self.namespace.get_by_name(name).map_err(unreachable)?;
        let started = self.clock.now();
        let response = bounded::head(self.clock.as_ref(), LIMITS, stub.fetch_with_request(request))
            .await?
            .map_err(unreachable)?;
        let response = worker::web_sys::Response::from(response);
        if response.status() != 200 {
            return Err(FetchError::Lost(format!("the object answered {}", response.status())));
        }
        let headers = convert::headers(&response.headers());
        let body = convert::response_body(&response, &headers).map_err(FetchError::Lost).boxed_local();
        Ok(bounded::body(self.clock.clone(), LIMITS, started, body))
    }

    /// Makes a socket of the object of this name, with a session that begins from `state` (JSON).
    pub async fn upgrade(&self, name: &str, state: &str) -> worker::Result<worker::web_sys::Response> {
        let request = Request::new("https://object/", Method::Get)?;
        request.headers().set("upgrade", "websocket")?;
        request.headers().set(SOCKET_HEADER, state)?;
        let stub = self.namespace.get_by_name(name)?;
        let upgraded = bounded::head(self.clock.as_ref(), LIMITS, stub.fetch_with_request(request)).await;
        Ok(upgraded.map_err(|error| worker::Error::from(error.to_string()))??.into())
    }

    /// Sends `body` and reads the answer whole.
    async fn ask(&self, name: &str, body: &str) -> Result<Vec<u8>, FetchError> {
        let mut answer = self.send(name, body).await?;
        let mut whole = Vec::new();
        while let Some(piece) = answer.next().await {
            whole.extend_from_slice(&piece?);
        }
        Ok(whole)
    }
}

impl Objects {
    /// Tells the object that works through the queue that there is something to do. When this fails, the next minute's
    /// cron event does it.
    pub async fn announce_jobs(self) {
        if let Err(error) = self.ask("jobs", "").await {
            tracing::warn!(%error, "the queue's object is out of reach");
        }
    }
}

/// Rooms are objects, each with the name of its conversation.
#[async_trait(?Send)]
impl Transport for Objects {
    async fn send(&self, call: Call) -> Result<ByteStream, FetchError> {
        Self::send(self, &call.room(), &call.to_json()).await
    }
}

/// What a limiter object is asked.
#[derive(Serialize, Deserialize)]
pub struct Take {
    key: String,
    cost: u32,
    limit: u32,
    window_ms: u64,
}

/// What it answers; times in milliseconds.
#[derive(Serialize, Deserialize)]
pub struct Taken {
    allowed: bool,
    remaining: u32,
    reset_ms: u64,
    retry_after_ms: u64,
}

/// Limits that objects count, sharded by key.
pub struct ObjectLimiter(pub Objects);

#[async_trait(?Send)]
impl Limiter for ObjectLimiter {
    async fn take(&self, key: LimitKey, cost: u32, rule: Rule) -> Result<Verdict> {
        let name = shard(&key.0);
        let take = Take { key: key.0, cost, limit: rule.limit, window_ms: millis(rule.window) };
        let failed = |detail: String| Error::Upstream { service: "limiter", retryable: true, detail };
        let question = serde_json::to_string(&take).map_err(|error| failed(error.to_string()))?;
        let answer = self.0.ask(&name, &question).await.map_err(|error| failed(error.to_string()))?;
        let taken: Taken = serde_json::from_slice(&answer).map_err(|error| failed(error.to_string()))?;
        Ok(Verdict {
            allowed: taken.allowed,
            limit: rule.limit.max(1),
            remaining: taken.remaining,
            reset: Duration::from_millis(taken.reset_ms),
            retry_after: Duration::from_millis(taken.retry_after_ms),
        })
    }
}

/// The limiter's side of [`ObjectLimiter`].
pub async fn take(limiter: &dyn Limiter, question: &[u8]) -> Result<Vec<u8>> {
    let take: Take = serde_json::from_slice(question).map_err(|error| Error::ours(error.to_string()))?;
    let rule = Rule { limit: take.limit, window: Duration::from_millis(take.window_ms) };
    let verdict = limiter.take(LimitKey(take.key), take.cost, rule).await?;
    let taken = Taken {
        allowed: verdict.allowed,
        remaining: verdict.remaining,
        reset_ms: millis(verdict.reset),
        retry_after_ms: millis(verdict.retry_after),
    };
    serde_json::to_vec(&taken).map_err(|error| Error::ours(error.to_string()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

/// FNV-1a: which object counts a key must not change with the version of a library.
fn shard(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("limits-{}", hash.rem_euclid(LIMITERS))
}
