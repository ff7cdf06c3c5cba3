//! Calls to other services.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::ByteStream;

/// Where a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// A service the operator of this deployment configured; any address.
    Configured,
    /// An address that a stranger may have given: only public addresses, also after DNS. Refused otherwise.
    Public,
}

/// Limits of one call. Redirects are never followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Until a connection is there.
    pub connect: Duration,
    /// Until the response's head is there.
    pub head: Duration,
    /// Between two pieces of the body.
    pub gap: Duration,
    /// All in all.
    pub total: Duration,
    /// Bytes of the body, after decompression.
    pub max_bytes: u64,
    /// Where it may go.
    pub egress: Egress,
}

/// Why there is no (whole) response. A status code is never an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// A limit of time was hit; `0` names which: `connect`, `head`, `gap`, `total`.
    #[error("time limit: {0}")]
    Timeout(&'static str),
    /// The body is larger than allowed.
    #[error("body over {0} bytes")]
    TooLarge(u64),
    /// The address is not allowed.
    #[error("address not allowed: {0}")]
    Refused(String),
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The circuit breaker is open.
    #[error("circuit open")]
    CircuitOpen,
}

/// HTTP.
#[async_trait(?Send)]
pub trait HttpClient {
    /// Sends a request; the body arrives as a stream. Dropping the stream ends the call.
    ///
    /// # Errors
    /// [`FetchError`]; the stream gives the same errors later.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError>;
}
