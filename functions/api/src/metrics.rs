//! `GET /metrics`: counters for Prometheus.

use frontdesk_domain::error::{Error, Result};
use http::{HeaderValue, Response, header};

use crate::body::Body;
use crate::call::Call;
use crate::machine;
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
    machine::shows(&call, expected, "the token is METRICS_TOKEN")?;
    let mut response = Response::new(Body::full(call.ctx.metrics.text()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8"),
    );
    Ok(response)
}
