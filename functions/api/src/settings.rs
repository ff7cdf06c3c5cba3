//! `/api/v1/settings…`: what an organisation can choose.

use std::rc::Rc;

use frontdesk_app::documents;
use frontdesk_app::settings::{self, Versioned};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::settings::{Settings, SettingsPatch};
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json};
use crate::problem::Problem;

/// Settings with their version.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SettingsDocument {
    /// Grows with every change; `If-Match` of a change names it. 0 when nothing was ever changed.
    version: u64,
    /// The settings.
    #[schema(value_type = Settings)]
    values: Rc<Settings>,
}

/// What a page needs to know before it sends anything.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PublicLimits {
    /// The longest message, in characters.
    max_message_chars: u32,
    /// The largest file, in bytes.
    max_upload_bytes: u64,
    /// The types of files that are read; they are recognised by content.
    upload_types: &'static [&'static str],
}

/// Which site's limits.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LimitsQuery {
    /// The public key of a site. Without it: of the only organisation of this deployment, or, where there are
    /// several, the defaults.
    #[param(max_length = 200)]
    site_key: Option<String>,
}

/// The settings.
#[utoipa::path(
    get, path = "/api/v1/settings", tag = "settings", security(("bearer" = [])),
    responses(
        (status = 200, body = SettingsDocument, headers(("ETag" = String, description = "The version, for If-Match"))),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn read(call: Call) -> Result<Response<Body>> {
    document(settings::read(&call.ctx, call.scope()?).await?)
}

/// Changes settings (JSON merge patch, RFC 7396): only what is named changes, `null` brings a default back. Needs an
/// admin. Every wrong field is told at once.
#[utoipa::path(
    patch, path = "/api/v1/settings", tag = "settings", security(("bearer" = [])), request_body = SettingsPatch,
    params(("If-Match" = String, Header, description = "The version that the change starts from, like \"7\"")),
    responses(
        (status = 200, body = SettingsDocument, headers(("ETag" = String, description = "The new version"))),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 412, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn change(mut call: Call) -> Result<Response<Body>> {
    let if_match = call.if_match()?;
    let patch: SettingsPatch = call.json().await?;
    document(settings::patch(&call.ctx, call.scope()?, if_match, &patch).await?)
}

/// What a page needs to know before it sends anything.
#[utoipa::path(
    get, path = "/api/v1/settings/limits", tag = "settings", params(LimitsQuery),
    responses(
        (status = 200, body = PublicLimits),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn limits(call: Call) -> Result<Response<Body>> {
    let query: LimitsQuery = call.query()?;
    if query.site_key.as_ref().is_some_and(|key| key.len() > 200) {
        return Err(Error::invalid("?site_key", "must be at most 200 characters"));
    }
    let settings = settings::public(&call.ctx, query.site_key.as_deref()).await?;
    json(
        StatusCode::OK,
        &PublicLimits {
            max_message_chars: settings.limits.max_message_chars,
            max_upload_bytes: documents::upload_limit(&call.ctx, &settings),
            upload_types: frontdesk_domain::settings::UPLOAD_TYPES,
        },
    )
}

fn document(versioned: Versioned) -> Result<Response<Body>> {
    let Versioned { version, values } = versioned;
    let mut response = json(StatusCode::OK, &SettingsDocument { version, values })?;
    let tag =
        HeaderValue::from_str(&format!("\"{version}\"")).map_err(|error| Error::ours(error.to_string()))?;
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}
