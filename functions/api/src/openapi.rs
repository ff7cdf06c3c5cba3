//! `GET /api/v1/openapi.json`: the API's description, generated from the Rust types.

use frontdesk_domain::error::Result;
use http::{HeaderValue, Response, header};
use utoipa::OpenApi;
use utoipa::openapi::Components;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::body::Body;
use crate::call::Call;
use crate::{auth, health, metrics, problem, settings, usage};

/// The API.
#[derive(OpenApi)]
#[openapi(
    info(title = "Frontdesk", description = "The AI front desk for websites.", license(name = "Apache-2.0")),
    paths(
        document,
        health::live,
        health::overall,
        health::database,
        health::vector,
        health::ai,
        health::services,
        metrics::text,
        auth::login,
        auth::refresh,
        auth::logout,
        auth::me,
        settings::read,
        settings::change,
        settings::limits,
        usage::list,
    ),
    modifiers(&Security),
    components(schemas(problem::Problem))
)]
pub struct Api;

/// The bearer tokens.
struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token of a user, or the token of a visitor"))
            .build();
        let components = api.components.get_or_insert_with(Components::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "machines", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document(_call: Call) -> Result<Response<Body>> {
    let text = Api::openapi().to_json().map_err(|error| frontdesk_domain::error::Error::ours(error.to_string()))?;
    let mut response = Response::new(Body::full(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
