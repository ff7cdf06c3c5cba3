//! `GET /api/v1/openapi.json`: the API's description, generated from the Rust types.

use frontdesk_domain::error::Result;
use http::{HeaderValue, Response, header};
use utoipa::OpenApi;

use crate::body::Body;
use crate::call::Call;
use crate::{documents, health, problem, upload};

/// The API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Frontdesk", description = "The AI front desk for websites.", license(name = "Apache-2.0")),
    paths(
        document,
        health::live,
        health::overall,
        upload::create,
        documents::list,
        documents::create,
        documents::get,
        documents::delete,
        documents::passages,
        documents::sync,
    ),
    components(schemas(problem::Problem))
)]
pub struct Api;

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "machines", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document(_call: Call) -> Result<Response<Body>> {
    let text =
        Api::openapi().to_json().map_err(|error| frontdesk_domain::error::Error::ours(error.to_string()))?;
    let mut response = Response::new(Body::full(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
