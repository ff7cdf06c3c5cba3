//! `GET /metrics`: counters for Prometheus.

use frontdesk_domain::error::{CallerError, Error, Result};
use http::{HeaderValue, Response, header};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::body::Body;
use crate::call::Call;
use crate::problem::Problem;

/// Counters in the Prometheus text format, for `Authorization: Bearer <METRICS_TOKEN>`. Without that variable there is
/// no such page.
#[utoipa::path(
    get, path = "/metrics", tag = "machines", security(("bearer" = [])),
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn text(call: Call) -> Result<Response<Body>> {
    let expected = call.ctx.config.metrics_token.as_ref().ok_or_else(|| Error::not_found("page"))?;
    let shown =
        call.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
    // Hashes are of one length: the comparison tells neither content nor length.
    let (shown, expected) = (Sha256::digest(shown), Sha256::digest(expected.expose_secret()));
    if !bool::from(shown.as_slice().ct_eq(expected.as_slice())) {
        return Err(CallerError::Unauthenticated("the token is METRICS_TOKEN").into());
    }
    let mut response = Response::new(Body::full(call.ctx.metrics.text()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    Ok(response)
}
