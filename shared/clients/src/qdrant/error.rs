//! Why Qdrant did not do what it was asked.

use std::time::Duration;

use frontdesk_domain::error::Error;
use frontdesk_ports::{FetchError, wrong_vector_length};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::SERVICE;
use crate::retry::{self, ServiceFailure};

/// How much of the server's own words is kept, in characters.
const MAX_DETAIL: usize = 200;

/// Why Qdrant did not do what it was asked. The texts hold no key; the server's own words are about the request, which
/// holds ids and numbers alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QdrantError {
    /// 401, 403: the key is wrong, or the address is not allowed.
    #[error("refused, check address and key: {0}")]
    Refused(String),
    /// 404: there is no such collection.
    #[error("collection not found")]
    NotFound,
    /// 409: there is such a collection already.
    #[error("collection exists already")]
    Exists,
    /// A vector is not as long as the collection's.
    #[error("a vector of another length")]
    WrongLength {
        /// Its dimensions.
        found: usize,
        /// The collection's.
        expected: usize,
    },
    /// Another 4xx: the server does not take the request as it is.
    #[error("request not taken: {0}")]
    NotTaken(String),
    /// 429.
    #[error("rate limited")]
    RateLimited {
        /// How long the server wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The server has trouble: 5xx, 408, or a write that it has not finished in time.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(&'static str),
    /// The call took too long.
    #[error("no answer in time")]
    Timeout,
    /// The answer cannot be read.
    #[error("bad response: {0}")]
    BadResponse(String),
    /// The circuit is open: the server was not asked.
    #[error("circuit open")]
    CircuitOpen,
}

impl QdrantError {
    /// From an answer with an error status. `body` may be cut short.
    pub(super) fn from_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let detail = || format!("{} {}", status.as_u16(), words(body)).trim_end().to_owned();
        match status.as_u16() {
            401 | 403 => Self::Refused(detail()),
            404 => Self::NotFound,
            409 => Self::Exists,
            429 => Self::RateLimited { retry_after: retry::retry_after(headers, None) },
            408 | 500..=599 => Self::Overloaded(detail()),
            400..=499 => Self::NotTaken(detail()),
            // Redirects are not followed: they lead away from the configured server.
            other => Self::BadResponse(format!("status {other}")),
        }
    }

    /// Whether the same call may succeed later without an operator changing anything.
    const fn retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Overloaded(_)
            | Self::Unreachable(_)
            | Self::Timeout
            | Self::CircuitOpen => true,
            Self::Refused(_)
            | Self::NotFound
            | Self::Exists
            | Self::WrongLength { .. }
            | Self::NotTaken(_)
            | Self::BadResponse(_) => false,
        }
    }
}

impl ServiceFailure for QdrantError {
    fn worth_another_attempt(&self) -> bool {
        // Every call can be made twice. What took too long has used up the time that there was.
        !matches!(self, Self::Timeout | Self::CircuitOpen) && self.retryable()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            _ => None,
        }
    }

    fn blames_service(&self) -> bool {
        matches!(self, Self::Overloaded(_) | Self::Unreachable(_) | Self::Timeout | Self::BadResponse(_))
    }

    fn is_circuit_open(&self) -> bool {
        matches!(self, Self::CircuitOpen)
    }
}

impl From<FetchError> for QdrantError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Connect(_) | FetchError::Timeout("connect") => Self::Unreachable("no connection"),
            FetchError::Lost(_) => Self::Unreachable("connection lost"),
            FetchError::Timeout(_) => Self::Timeout,
            FetchError::TooLarge(limit) => Self::BadResponse(format!("answer over {limit} bytes")),
            FetchError::Refused(_) => Self::Refused("address not allowed".to_owned()),
            FetchError::CircuitOpen => Self::CircuitOpen,
        }
    }
}

impl From<QdrantError> for Error {
    fn from(error: QdrantError) -> Self {
        if let QdrantError::WrongLength { found, expected } = error {
            return wrong_vector_length(found, expected);
        }
        Self::Upstream { service: SERVICE, retryable: error.retryable(), detail: error.to_string() }
    }
}

/// What the server says, shortened: `{"status": {"error": "…"}}`.
fn words(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = body.pointer("/status/error").and_then(Value::as_str).unwrap_or_default();
    words.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_finds_its_kind() {
        let body = br#"{"status":{"error":"Wrong input: Vector dimension error"},"time":0.1}"#;
        for (status, text, retryable) in [
            (401, "refused, check address and key: 401 Wrong input: Vector dimension error", false),
            (403, "refused, check address and key: 403 Wrong input: Vector dimension error", false),
            (404, "collection not found", false),
            (409, "collection exists already", false),
            (400, "request not taken: 400 Wrong input: Vector dimension error", false),
            (422, "request not taken: 422 Wrong input: Vector dimension error", false),
            (429, "rate limited", true),
            (408, "overloaded: 408 Wrong input: Vector dimension error", true),
            (500, "overloaded: 500 Wrong input: Vector dimension error", true),
            (302, "bad response: status 302", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = QdrantError::from_status(status, &HeaderMap::new(), body);
            assert_eq!((error.to_string().as_str(), error.retryable()), (text, retryable), "{status}");
        }
        let plain = QdrantError::from_status(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b"Invalid API key");
        assert_eq!(plain.to_string(), "refused, check address and key: 401");
    }
}
