//! `POST /api/v1/widget/sessions`: how the widget begins.

use frontdesk_app::widget::{BeginSession, begin_session};
use frontdesk_domain::conversation::Conversation;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::VisitorId;
use frontdesk_domain::site::Theme;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json};
use crate::problem::Problem;

/// What the widget says.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// The site's public key.
    #[schema(max_length = 64)]
    site_key: String,
    /// The token of an earlier session in this browser. One that is not valid any more begins a new visitor.
    visitor_token: Option<String>,
    /// The visitor's language, for example `ru-RU`.
    #[schema(max_length = 35)]
    locale: Option<String>,
    /// The page the widget is on. Not stored.
    #[schema(max_length = 2048)]
    page_url: Option<String>,
}

/// What it is told.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SessionResponse {
    /// The token for every further call, a JWT valid for 30 days.
    visitor_token: String,
    /// Who the visitor is.
    visitor: VisitorView,
    /// The site.
    site: SiteView,
    /// The conversation that goes on, if there is one.
    conversation: Option<Conversation>,
}

/// A visitor.
#[derive(Serialize, utoipa::ToSchema)]
pub struct VisitorView {
    /// Its id.
    id: VisitorId,
}

/// A site, as visitors see it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SiteView {
    /// Its name.
    name: String,
    /// How the widget looks.
    theme: Theme,
    /// The first words, in `locale`.
    greeting: String,
    /// The language to speak.
    locale: String,
    /// What the visitor may send.
    limits: LimitsView,
}

/// What a visitor may send.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LimitsView {
    /// The longest message, in characters.
    pub max_message_chars: u32,
    /// The largest file, in bytes.
    pub max_upload_bytes: u64,
    /// The accepted types of files.
    pub upload_types: Vec<&'static str>,
}

const MAX_LOCALE: usize = 35;
const MAX_URL: usize = 2048;
const MAX_TOKEN: usize = 4096;

/// Begins or goes on with a visitor's session.
#[utoipa::path(post, path = "/api/v1/widget/sessions", tag = "visitor", request_body = SessionRequest, responses(
    (status = 201, body = SessionResponse),
    (status = 400, description = "Unreadable", body = Problem, content_type = "application/problem+json"),
    (status = 403, description = "The page's origin is not one of the site's", body = Problem, content_type = "application/problem+json"),
    (status = 408, description = "Too slow", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "Too large", body = Problem, content_type = "application/problem+json"),
    (status = 415, description = "Not JSON", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "A field is wrong", body = Problem, content_type = "application/problem+json"),
    (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "Not available now", body = Problem, content_type = "application/problem+json"),
))]
pub async fn begin(mut call: Call) -> Result<Response<Body>> {
    let request: SessionRequest = call.json().await?;
    let too_long =
        |pointer: &str, limit: usize| Error::invalid(pointer, format!("at most {limit} characters"));
    if request.locale.as_ref().is_some_and(|locale| locale.len() > MAX_LOCALE) {
        return Err(too_long("/locale", MAX_LOCALE));
    }
    if request.page_url.as_ref().is_some_and(|url| url.len() > MAX_URL) {
        return Err(too_long("/page_url", MAX_URL));
    }
    if request.visitor_token.as_ref().is_some_and(|token| token.len() > MAX_TOKEN) {
        return Err(too_long("/visitor_token", MAX_TOKEN));
    }
    let session = begin_session(
        &call.ctx,
        BeginSession {
            site_key: request.site_key,
            visitor_token: request.visitor_token,
            locale: request.locale,
            via: call.via.clone(),
            origin: call.foreign_origin().map(str::to_owned),
        },
    )
    .await?;
    let greeting = session.site.greeting_in(&session.locale).to_owned();
    json(
        StatusCode::CREATED,
        &SessionResponse {
            visitor_token: session.visitor_token,
            visitor: VisitorView { id: session.visitor },
            site: SiteView {
                name: session.site.name,
                theme: session.site.theme,
                greeting,
                locale: session.locale,
                limits: LimitsView {
                    max_message_chars: session.max_message_chars,
                    max_upload_bytes: session.max_upload_bytes,
                    upload_types: frontdesk_app::uploads::TYPES.to_vec(),
                },
            },
            conversation: session.conversation,
        },
    )
}
