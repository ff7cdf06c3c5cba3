//! Errors have three owners: the caller's, an upstream's, ours.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What went wrong, by who can mend it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// The caller can mend it by changing the request.
    #[error("{0}")]
    Caller(#[from] CallerError),
    /// A service that Frontdesk depends on failed.
    #[error("{service}: {detail}")]
    Upstream {
        /// Which one: `database`, `model`, `embeddings`, `vectors`, `blobs`, `web`.
        service: &'static str,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// For the log, never shown; holds no secret and no message text.
        detail: String,
    },
    /// A defect of Frontdesk. Logged with the request id, never shown.
    #[error("internal: {0}")]
    Ours(String),
}

/// The short form of a result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One field is wrong (422). `pointer` is a JSON pointer (`/text`) or, for a query parameter, its name after `?`.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        CallerError::Invalid(vec![FieldError { pointer: pointer.into(), detail: detail.into() }]).into()
    }

    /// The object does not exist for this caller (404).
    #[must_use]
    pub const fn not_found(what: &'static str) -> Self {
        Self::Caller(CallerError::NotFound { what })
    }

    /// A defect of ours.
    #[must_use]
    pub fn ours(detail: impl Into<String>) -> Self {
        Self::Ours(detail.into())
    }
}

/// What the caller did wrong. Each variant is one HTTP status.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CallerError {
    /// 400: the request cannot be read at all.
    #[error("{0}")]
    Unreadable(String),
    /// 401: no valid token.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// 403: authenticated, but the role does not allow it. Never used for another organisation's object.
    #[error("{0}")]
    Forbidden(&'static str),
    /// 404.
    #[error("{what} not found")]
    NotFound {
        /// What was looked for: `conversation`, `document`, …
        what: &'static str,
    },
    /// 405.
    #[error("method not allowed; use {allow}")]
    MethodNotAllowed {
        /// The methods that are, as the `Allow` header says them.
        allow: String,
    },
    /// 408: the body came too slowly, or ceased to come.
    #[error("{0}")]
    TooSlow(&'static str),
    /// 409: the object's state does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
    /// 412: `If-Match` is missing or stale.
    #[error("the object changed: its version is now {current}")]
    Stale {
        /// The version that a new `If-Match` has to name.
        current: u64,
    },
    /// 413.
    #[error("{field} is larger than {limit} bytes")]
    TooLarge {
        /// The field or part that is too large.
        field: &'static str,
        /// The largest allowed, in bytes.
        limit: u64,
    },
    /// 415.
    #[error("{detail}; accepted: {accepted}")]
    UnsupportedMedia {
        /// What was found.
        detail: String,
        /// What is accepted.
        accepted: String,
    },
    /// 422: fields are wrong.
    #[error("{}", .0.first().map_or("a field is wrong", |field| field.detail.as_str()))]
    Invalid(Vec<FieldError>),
    /// 426: the address speaks another protocol.
    #[error("this address is a WebSocket; ask for an upgrade")]
    UpgradeRequired,
    /// 429.
    #[error("too many requests; try again in {} s", retry_after.as_millis().div_ceil(1000).max(1))]
    RateLimited {
        /// When the next attempt may succeed.
        retry_after: Duration,
    },
    /// 429: a quota is used up.
    #[error("at most {limit} {what} are allowed; try again in {} s", retry_after.as_millis().div_ceil(1000).max(1))]
    Quota {
        /// What is counted.
        what: &'static str,
        /// How much of it is allowed.
        limit: u64,
        /// When there may be room again.
        retry_after: Duration,
    },
    /// 501: this host cannot do it.
    #[error("{0}")]
    NotImplemented(&'static str),
    /// 503: the organisation is closed for maintenance.
    #[error("closed for maintenance; please try again later")]
    Maintenance {
        /// When to try again.
        retry_after: Duration,
    },
    /// 503: on purpose (shutting down, a queue that is full).
    #[error("{reason}")]
    Unavailable {
        /// Why.
        reason: &'static str,
        /// When to try again.
        retry_after: Duration,
    },
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer to the field (`/client_id`), or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong and what the limit is.
    pub detail: String,
}
