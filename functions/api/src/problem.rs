//! Errors as RFC 9457 problem documents: the one exhaustive match from errors to HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, FieldError};
use frontdesk_domain::id::RequestId;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::IntoResponses;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

use crate::body::Body;

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// A stable name of the kind of problem: `urn:frontdesk:problem:invalid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened and what to change.
    pub detail: String,
    /// The path that was asked.
    pub instance: String,
    /// The id of the request, also in `X-Request-Id`.
    pub request_id: RequestId,
    /// After how many seconds to try again, also in `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What the caller is told when the fault is not its own.
const OURS: &str = "Something went wrong on our side. The request id helps us to find it.";

/// The problem document for an error; logs those that are not the caller's.
#[must_use]
pub fn document(error: &Error, instance: &str, request_id: RequestId) -> Problem {
    let mut retry: Option<Duration> = None;
    let mut errors = Vec::new();
    let mut detail = error.to_string();
    let (status, name, title) = match error {
        Error::Caller(caller) => match caller {
            CallerError::Unreadable(_) => {
                (StatusCode::BAD_REQUEST, "unreadable", "The request cannot be read")
            }
            CallerError::Unauthenticated(_) => {
                (StatusCode::UNAUTHORIZED, "unauthenticated", "A valid token is needed")
            }
            CallerError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            CallerError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found", "Not found"),
            CallerError::MethodNotAllowed { .. } => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed")
            }
            CallerError::TooSlow(_) => {
                (StatusCode::REQUEST_TIMEOUT, "too_slow", "The request came too slowly")
            }
            CallerError::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Not possible in this state"),
            CallerError::Stale { .. } => (StatusCode::PRECONDITION_FAILED, "stale", "It changed meanwhile"),
            CallerError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "Too large"),
            CallerError::UnsupportedMedia { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported type")
            }
            CallerError::Invalid(fields) => {
                errors.clone_from(fields);
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "A field is wrong")
            }
            CallerError::UpgradeRequired => {
                (StatusCode::UPGRADE_REQUIRED, "upgrade_required", "This is a WebSocket")
            }
            CallerError::RateLimited { retry_after } => {
                retry = Some(*retry_after);
                (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests")
            }
            CallerError::Quota { retry_after, .. } => {
                retry = Some(*retry_after);
                (StatusCode::TOO_MANY_REQUESTS, "quota", "A quota is used up")
            }
            CallerError::NotImplemented(_) => {
                (StatusCode::NOT_IMPLEMENTED, "not_implemented", "Not possible here")
            }
            CallerError::Maintenance { retry_after } => {
                retry = Some(*retry_after);
                (StatusCode::SERVICE_UNAVAILABLE, "maintenance", "Closed for maintenance")
            }
            CallerError::Unavailable { retry_after, .. } => {
                retry = Some(*retry_after);
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available now")
            }
        },
        Error::Upstream { service, retryable, detail: cause } => {
            tracing::error!(%request_id, service, retryable, cause, "upstream failed");
            detail = format!("The {service} service does not answer. Please try again.");
            retry = Some(Duration::from_secs(2));
            (StatusCode::SERVICE_UNAVAILABLE, "upstream", "A service does not answer")
        }
        Error::Ours(cause) => {
            tracing::error!(%request_id, cause, "internal error");
            OURS.clone_into(&mut detail);
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error")
        }
    };
    Problem {
        kind: format!("urn:frontdesk:problem:{name}"),
        title: title.to_owned(),
        status: status.as_u16(),
        detail,
        instance: instance.to_owned(),
        request_id,
        // Rounded up: a client that waits exactly this long must succeed.
        retry_after: retry
            .map(|retry| u64::try_from(retry.as_millis().div_ceil(1000).max(1)).unwrap_or(u64::MAX)),
        errors,
    }
}

/// The response for an error; logs those that are not the caller's.
#[must_use]
pub fn response(error: &Error, instance: &str, request_id: RequestId) -> Response<Body> {
    let problem = document(error, instance, request_id);
    let mut response = Response::new(Body::full(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(seconds) = problem.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    match error {
        Error::Caller(CallerError::MethodNotAllowed { allow }) => {
            if let Ok(methods) = HeaderValue::from_str(allow) {
                headers.insert(header::ALLOW, methods);
            }
        }
        Error::Caller(CallerError::Unauthenticated(_)) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Error::Caller(CallerError::UpgradeRequired) => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    response
}

/// Problems that any authenticated read may answer.
pub struct ReadProblems;

/// Problems that any authenticated call with a JSON body may answer.
pub struct WriteProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::response::Response>> {
        problems(&[401, 403, 404, 422, 429, 503])
    }
}

impl IntoResponses for WriteProblems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::response::Response>> {
        problems(&[400, 401, 403, 404, 408, 413, 415, 422, 429, 503])
    }
}

/// Problem responses with the statuses' own names.
fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<utoipa::openapi::response::Response>> {
    let problem = || Content::new(Some(Ref::from_schema_name("Problem")));
    statuses
        .iter()
        .map(|status| {
            let name =
                StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or("");
            let response = ResponseBuilder::new()
                .description(name)
                .content("application/problem+json", problem())
                .build();
            (status.to_string(), response.into())
        })
        .collect()
}
