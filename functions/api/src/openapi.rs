//! `GET /api/v1/openapi.json`: the API's description, generated from the Rust types and kept in `docs/openapi.json`. What
//! generates it takes a tenth of a Worker, so it is not in there; a test fails when the file is not up to date.

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
    auth, chat, documents, health, metrics, problem, rooms, search, settings, socket, upload, usage, widget,
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
        rooms::call,
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
        upload::fetch,
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

/// The description, as it was generated.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "machines", responses((status = 200, description = "OpenAPI 3.1")))]
pub async fn document(_call: Call) -> Result<Response<Body>> {
    let mut response = Response::new(Body::full(DOCUMENT));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_up_to_date() {
        let mut generated = Api::openapi().to_pretty_json().unwrap();
        generated.push('\n');
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
            std::fs::write(path, &generated).unwrap();
            return;
        }
        assert!(
            DOCUMENT == generated,
            "docs/openapi.json is not up to date: UPDATE_DOCS=1 cargo test -p frontdesk-api openapi writes it anew"
        );
    }
}
