//! Calls to an object: a piece of the core that another process runs, under a name. Who may call was settled before; a host
//! that takes calls must let no other caller send them.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{ByteStream, Egress, FetchError, FetchLimits, HttpClient};
use http::{Method, Request, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Brings a call to the object of a name, and its answer back.
#[async_trait(?Send)]
pub trait Transport {
    /// Sends `call`. Dropping the stream ends a call that goes on.
    ///
    /// # Errors
    /// [`FetchError`] when the object is out of reach; the stream gives the same errors later.
    async fn send(&self, name: &str, call: String) -> Result<ByteStream, FetchError>;
}

/// Where a deployment answers calls to its rooms.
pub const ROOMS_PATH: &str = "/api/v1/rooms/call";

/// As an object's: a subscription is open as long as its client listens, and gives signs of life.
const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(10),
    head: Duration::from_secs(20),
    gap: Duration::from_secs(45),
    total: Duration::from_secs(24 * 60 * 60),
    max_bytes: u64::MAX,
    egress: Egress::Configured,
};

/// Brings calls to the rooms of another deployment, which lets in any caller that shows its `ROOMS_TOKEN`.
pub struct Deployment {
    http: Rc<dyn HttpClient>,
    address: String,
    token: SecretString,
}

impl Deployment {
    /// The deployment at `url`.
    #[must_use]
    pub fn new(http: Rc<dyn HttpClient>, url: &Url, token: SecretString) -> Self {
        let address = format!("{}{ROOMS_PATH}", url.as_str().trim_end_matches('/'));
        Self { http, address, token }
    }
}

#[async_trait(?Send)]
impl Transport for Deployment {
    /// A call says itself which room it is for.
    async fn send(&self, _name: &str, call: String) -> Result<ByteStream, FetchError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()))
            .body(Bytes::from(call))
            .map_err(|error| FetchError::Refused(error.to_string()))?;
        let answer = self.http.send(request, LIMITS).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(FetchError::Lost(format!("the deployment of the rooms answers {status}"))),
        }
    }
}
