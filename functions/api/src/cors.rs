//! Cross-origin requests.
//!
//! Visitors' calls come from any site that embeds the widget; they carry a bearer token and never a cookie, so their
//! answers may be read from anywhere. Which origins may *get* a token is checked when the session begins. Everything
//! else is for the origins that the deployment names.

use frontdesk_ports::Ctx;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::body::Body;
use crate::routes::Pages;

const METHODS: &str = "GET, POST, PATCH, DELETE";
const HEADERS: &str = "authorization, content-type, accept, last-event-id, if-match, if-none-match";
const EXPOSED: &str = "x-request-id, retry-after, ratelimit, ratelimit-policy, etag, content-disposition";

/// The answer to `OPTIONS`.
pub fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets the calling page read the answer, where it may.
pub fn allow(ctx: &Ctx, origin: Option<&HeaderValue>, pages: Pages, response: &mut Response<Body>) {
    let Some(origin) = origin else { return };
    let named =
        origin.to_str().is_ok_and(|text| ctx.config.allowed_origins.iter().any(|known| known == text));
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if named || pages == Pages::Any {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.insert(HeaderName::from_static("timing-allow-origin"), origin.clone());
    }
    if named {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
