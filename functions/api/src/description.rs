//! `GET /api/v1/openapi.json`: the API's description, as it was generated and is kept in `docs/openapi.json`.

use frontdesk_domain::error::Result;
use http::{HeaderValue, Response, header};

use crate::body::Body;
use crate::call::Call;

/// The description, as it was generated.
pub(crate) const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "machines", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document(_call: Call) -> Result<Response<Body>> {
    let mut response = Response::new(Body::full(DOCUMENT));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
