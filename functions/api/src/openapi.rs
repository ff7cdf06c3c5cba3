//! `GET /api/v1/openapi.json`: the API's description, generated from the Rust types.

use std::collections::BTreeMap;

use frontdesk_domain::error::Result;
use frontdesk_domain::event::{Event, Live};
use http::{HeaderValue, Response, StatusCode, header};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, OpenApi};

use crate::body::Body;
use crate::call::Call;
use crate::{
    auth, chat, documents, health, metrics, problem, search, settings, socket, upload, usage, widget,
};

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
        widget::begin,
        chat::begin,
        chat::post_message,
        chat::events,
        chat::change,
        chat::read,
        socket::open,
        chat::rate,
        chat::feedback,
        upload::create,
        documents::list,
        documents::create,
        documents::get,
        documents::delete,
        documents::passages,
        documents::sync,
        search::search,
    ),
    modifiers(&Security),
    components(schemas(problem::Problem, Event, Live, socket::ClientFrame, socket::ServerFrame))
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
    let text =
        Api::openapi().to_json().map_err(|error| frontdesk_domain::error::Error::ours(error.to_string()))?;
    let mut response = Response::new(Body::full(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
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
        problems(&[400, 401, 403, 404, 413, 415, 422, 429, 503])
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
