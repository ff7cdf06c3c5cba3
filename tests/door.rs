//! The door that a host under test may have to its objects (`functions/cloudflare/tests/entry.js`).

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::remote::Transport;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_ports::{ByteStream, Egress, FetchError, FetchLimits, HttpClient};
use frontdesk_testkit::SetClock;

const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(10),
    head: Duration::from_secs(60),
    gap: Duration::from_secs(60),
    total: Duration::from_secs(600),
    max_bytes: u64::MAX,
    egress: Egress::Configured,
};

/// The door.
#[derive(Clone)]
pub struct Door {
    http: Rc<ReqwestClient>,
    base: String,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Door").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Door {
    /// The door at this address.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn at(base: &str) -> Result<Self> {
        Ok(Self { http: Rc::new(ReqwestClient::new()?), base: base.to_owned() })
    }

    /// The objects of this binding.
    #[must_use]
    pub fn objects(&self, binding: &'static str) -> Objects {
        Objects { door: self.clone(), binding }
    }

    /// From now on one in so many events of a room is followed by its end, very soon; none when it is 0.
    ///
    /// # Errors
    /// When the door does not open.
    pub async fn evict_one_in(&self, events: u32) -> Result<()> {
        Ok(self.tell("evictions", events.to_string()).await?)
    }

    /// The next so many times the core wants randomness it panics instead.
    ///
    /// # Errors
    /// When the door does not open.
    pub async fn panic_next(&self, times: u32) -> Result<()> {
        Ok(self.tell("panics", times.to_string()).await?)
    }

    /// The next so many times the core asks for the time its stack overflows.
    ///
    /// # Errors
    /// When the door does not open.
    pub async fn overflow_next(&self, times: u32) -> Result<()> {
        Ok(self.tell("overflows", times.to_string()).await?)
    }

    /// Lets the clock go on that was set.
    ///
    /// # Errors
    /// When the door does not open.
    pub async fn let_time_go_on(&self) -> Result<()> {
        Ok(self.tell("clock", "null".to_owned()).await?)
    }

    async fn tell(&self, path: &str, body: String) -> Result<(), FetchError> {
        self.send(path, body).await.map(drop)
    }

    async fn send(&self, path: &str, body: String) -> Result<ByteStream, FetchError> {
        let request = http::Request::post(format!("{}/{path}", self.base)).body(Bytes::from(body));
        let request = request.map_err(|error| FetchError::Lost(error.to_string()))?;
        let response = self.http.send(request, LIMITS).await?;
        if !response.status().is_success() {
            return Err(FetchError::Lost(format!("the door answered {}", response.status())));
        }
        Ok(response.into_body())
    }
}

#[async_trait(?Send)]
impl SetClock for Door {
    #[expect(clippy::expect_used, reason = "a test stops at the first surprise")]
    async fn set(&self, now: Timestamp) {
        self.tell("clock", now.millis().to_string()).await.expect("the door opens");
    }
}

/// Objects behind the door.
#[derive(Debug)]
pub struct Objects {
    door: Door,
    binding: &'static str,
}

#[async_trait(?Send)]
impl Transport for Objects {
    async fn send(&self, name: &str, call: String) -> Result<ByteStream, FetchError> {
        let name = name.replace('/', "%2F");
        self.door.send(&format!("objects/{}/{name}", self.binding), call).await
    }
}
