//! `/api/v1/me…` and `/api/v1/auth/password`: a user and its own account.

use frontdesk_app::auth::sessions::{self, Login};
use frontdesk_app::auth::{self, Organisation, User};
use frontdesk_domain::error::Result;
use http::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::problem::{Problem, ReadProblems, WriteProblems};

/// Who is asking.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Me {
    /// Who.
    user: User,
    /// In which organisation.
    organisation: Organisation,
    /// All organisations in which the user may work, the first one first.
    organisations: Vec<Organisation>,
}

/// What changes of oneself.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeChange {
    /// The name, as others see it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A new password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The one until now.
    #[schema(value_type = String, format = Password, max_length = 256)]
    current: SecretString,
    /// The one from now on: at least 10 characters, at most 256 bytes, not common.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 256)]
    new: SecretString,
}

/// The logins of a user.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Logins {
    /// The newest first, at most 100.
    items: Vec<Login>,
    /// Always null: there is one page.
    next_cursor: Option<String>,
}

/// Who is asking.
#[utoipa::path(
    get, path = "/api/v1/me", tag = "auth", security(("bearer" = [])),
    responses(
        (status = 200, body = Me),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn me(call: Call) -> Result<Response<Body>> {
    let (user, organisation, organisations) = auth::me(&call.ctx, call.scope()?).await?;
    json(StatusCode::OK, &Me { user, organisation, organisations })
}

/// Changes one's own name.
#[utoipa::path(
    patch, path = "/api/v1/me", tag = "auth", security(("bearer" = [])), request_body = MeChange,
    responses((status = 200, body = Me), WriteProblems),
)]
pub async fn change(mut call: Call) -> Result<Response<Body>> {
    let MeChange { name } = call.json().await?;
    auth::change_name(&call.ctx, call.scope()?, &name).await?;
    me(call).await
}

/// Replaces one's own password. All other logins end.
#[utoipa::path(
    post, path = "/api/v1/auth/password", tag = "auth", security(("bearer" = [])), request_body = PasswordChange,
    responses(
        (status = 204, description = "It is replaced"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It was replaced meanwhile"),
        WriteProblems,
    )
)]
pub async fn password(mut call: Call) -> Result<Response<Body>> {
    let PasswordChange { current, new } = call.json().await?;
    let (current, new) = (current.expose_secret(), new.expose_secret());
    auth::change_password(&call.ctx, call.scope()?, current, new).await?;
    Ok(no_content())
}

/// Lists one's own logins, the newest first.
#[utoipa::path(
    get, path = "/api/v1/me/sessions", tag = "auth", security(("bearer" = [])),
    responses((status = 200, body = Logins), ReadProblems),
)]
pub async fn sessions(call: Call) -> Result<Response<Body>> {
    let items = sessions::logins(&call.ctx, call.scope()?).await?;
    json(StatusCode::OK, &Logins { items, next_cursor: None })
}

/// Ends one of one's own logins. Its access token counts no more within 5 s.
#[utoipa::path(
    delete, path = "/api/v1/me/sessions/{id}", tag = "auth", security(("bearer" = [])),
    params(("id" = frontdesk_domain::id::LoginId, Path)),
    responses((status = 204), ReadProblems),
)]
pub async fn end_session(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "login")?;
    sessions::end_login(&call.ctx, call.scope()?, id).await?;
    Ok(no_content())
}
