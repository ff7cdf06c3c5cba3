//! Why a bucket did not do what it was asked.

use std::time::Duration;

use frontdesk_ports::{BlobError, FetchError};
use http::{HeaderMap, StatusCode};

use crate::retry::{self, ServiceFailure};

/// How much of the server's code is kept, in characters.
const MAX_CODE: usize = 64;

/// Why a bucket did not do what it was asked. The texts hold the status and S3's own code for it; the server's message is
/// left out, for it may repeat what was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum S3Error {
    /// There is no such object.
    #[error("no such object")]
    NoObject,
    /// 401, 403: the key is wrong, or may not do it.
    #[error("refused, check the access key, its secret, its rights to the bucket and the clock: {0}")]
    Refused(String),
    /// 404, 301, 307: the bucket is not there.
    #[error("no bucket there, check endpoint, bucket and region: {0}")]
    NoBucket(String),
    /// Another 4xx: the server does not take the request as it is.
    #[error("request not taken: {0}")]
    NotTaken(String),
    /// 429.
    #[error("rate limited")]
    RateLimited {
        /// How long the server wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The server has trouble, or others change the same object: 5xx, 408, 409.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// No connection, or it broke.
    #[error("unreachable: {0}")]
    Unreachable(&'static str),
    /// The call took too long.
    #[error("no answer in time")]
    Timeout,
    /// The object is larger than what is stored here.
    #[error("an object over {0} bytes")]
    TooLarge(u64),
    /// The answer cannot be read.
    #[error("bad response: {0}")]
    BadResponse(String),
    /// The circuit is open: the server was not asked.
    #[error("circuit open")]
    CircuitOpen,
}

impl S3Error {
    /// From an answer with an error status. `body` may be cut short.
    pub(super) fn from_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let code = code(body);
        let detail = format!("{} {code}", status.as_u16()).trim_end().to_owned();
        match (status.as_u16(), code.as_str()) {
            (404, "NoSuchKey") => Self::NoObject,
            (301 | 307 | 404, _) => Self::NoBucket(detail),
            (401 | 403, _) => Self::Refused(detail),
            (429, _) => Self::RateLimited { retry_after: retry::retry_after(headers, None) },
            // Told with 400 when the body came too slowly.
            (400, "RequestTimeout") | (408 | 409 | 500..=599, _) => Self::Overloaded(detail),
            (400..=499, _) => Self::NotTaken(detail),
            _ => Self::BadResponse(format!("status {detail}")),
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
            Self::NoObject
            | Self::Refused(_)
            | Self::NoBucket(_)
            | Self::NotTaken(_)
            | Self::TooLarge(_)
            | Self::BadResponse(_) => false,
        }
    }
}

impl ServiceFailure for S3Error {
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

impl From<FetchError> for S3Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Connect(_) | FetchError::Timeout("connect") => Self::Unreachable("no connection"),
            FetchError::Lost(_) => Self::Unreachable("connection lost"),
            FetchError::Timeout(_) => Self::Timeout,
            FetchError::TooLarge(limit) => Self::TooLarge(limit),
            FetchError::Refused(_) => Self::NotTaken("address not allowed".to_owned()),
            FetchError::CircuitOpen => Self::CircuitOpen,
        }
    }
}

impl From<S3Error> for BlobError {
    fn from(error: S3Error) -> Self {
        if error.retryable() { Self::Failed(error.to_string()) } else { Self::Refused(error.to_string()) }
    }
}

/// S3's code for an error: `<Error><Code>…</Code>…`.
fn code(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or("", |(code, _)| code);
    code.chars().filter(char::is_ascii_alphanumeric).take(MAX_CODE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str) -> S3Error {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>x</Message>\
             <StringToSign>SENTINEL</StringToSign></Error>"
        );
        S3Error::from_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn every_status_finds_its_kind() {
        const REFUSED: &str =
            "refused, check the access key, its secret, its rights to the bucket and the clock: ";
        const NO_BUCKET: &str = "no bucket there, check endpoint, bucket and region: ";
        for (status, code, text, detail, retryable) in [
            (404, "NoSuchKey", "no such object", "", false),
            (404, "NoSuchBucket", NO_BUCKET, "404 NoSuchBucket", false),
            (301, "PermanentRedirect", NO_BUCKET, "301 PermanentRedirect", false),
            (403, "SignatureDoesNotMatch", REFUSED, "403 SignatureDoesNotMatch", false),
            (401, "", REFUSED, "401", false),
            (400, "EntityTooLarge", "request not taken: ", "400 EntityTooLarge", false),
            (400, "RequestTimeout", "overloaded: ", "400 RequestTimeout", true),
            (409, "OperationAborted", "overloaded: ", "409 OperationAborted", true),
            (429, "TooManyRequests", "rate limited", "", true),
            (503, "SlowDown", "overloaded: ", "503 SlowDown", true),
            (302, "", "bad response: ", "status 302", false),
        ] {
            let error = error(status, code);
            assert_eq!((error.to_string(), error.retryable()), (format!("{text}{detail}"), retryable));
        }
    }

    #[test]
    fn a_page_that_is_not_of_s3_is_no_missing_object() {
        let page = S3Error::from_status(StatusCode::NOT_FOUND, &HeaderMap::new(), b"<html>404</html>");
        assert_eq!(page, S3Error::NoBucket("404".to_owned()));
    }
}
