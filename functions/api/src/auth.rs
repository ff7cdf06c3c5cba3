//! `/api/v1/auth/…` and `/api/v1/me`: operators and administrators log in, stay logged in, log out.
//!
//! The refresh token lives in a cookie that scripts cannot read and that is sent to these paths alone. The two calls
//! that act on it must come from a page of this deployment: the cookie is `SameSite=Strict`, and `Origin` (with
//! `Sec-Fetch-Site`, where the browser sends it) is checked on top.

use frontdesk_app::auth::{self, Organisation, Session, User};
use frontdesk_app::policy;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_ports::Ctx;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::problem::Problem;

/// The cookie with the refresh token. It is written and read by hand: the crate `cookie` brings `time` for dates that are
/// not used, and would add 45 KB (16 KB compressed) to a Worker.
const COOKIE: &str = "fd_refresh";

/// What to log in with.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The e-mail address.
    #[schema(max_length = 254)]
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password, max_length = 256)]
    password: SecretString,
}

/// A user who is logged in.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LoggedIn {
    /// For `Authorization: Bearer …`.
    access_token: String,
    /// How long it is valid, in seconds.
    expires_in: u64,
    /// Who.
    user: User,
    /// Of which organisation.
    organisation: Organisation,
}

/// Who is asking.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Me {
    /// Who.
    user: User,
    /// Of which organisation.
    organisation: Organisation,
}

/// Logs in. The cookie `fd_refresh` is set.
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", request_body = LoginRequest,
    responses(
        (status = 200, body = LoggedIn),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn login(mut call: Call) -> Result<Response<Body>> {
    let request: LoginRequest = call.json().await?;
    policy::account(&call.ctx, &request.email).await?;
    let session = auth::login(&call.ctx, &request.email, request.password.expose_secret()).await?;
    logged_in(&call.ctx, session)
}

/// A new access token for the cookie's refresh token, which is replaced. For 10 s the same call gives the same new refresh
/// token; a refresh token that is used again later ends its login.
#[utoipa::path(
    post, path = "/api/v1/auth/refresh", tag = "auth",
    responses(
        (status = 200, body = LoggedIn),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not from a page of this deployment"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn refresh(call: Call) -> Result<Response<Body>> {
    same_origin(&call)?;
    let token = cookie(&call.headers).ok_or(CallerError::Unauthenticated("not logged in"))?;
    let session = auth::refresh(&call.ctx, token).await?;
    logged_in(&call.ctx, session)
}

/// Ends the login of the cookie's refresh token and takes the cookie away.
#[utoipa::path(
    post, path = "/api/v1/auth/logout", tag = "auth",
    responses(
        (status = 204, description = "Logged out, or never was in"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Not from a page of this deployment"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn logout(call: Call) -> Result<Response<Body>> {
    same_origin(&call)?;
    auth::logout(&call.ctx, cookie(&call.headers)).await?;
    let mut response = no_content();
    set_cookie(&call.ctx, &mut response, "", 0)?;
    Ok(response)
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
    let (user, organisation) = auth::me(&call.ctx, call.scope()?).await?;
    json(StatusCode::OK, &Me { user, organisation })
}

fn logged_in(ctx: &Ctx, session: Session) -> Result<Response<Body>> {
    let Session { access_token, expires_in, refresh_token, user, organisation } = session;
    let mut response = json(StatusCode::OK, &LoggedIn { access_token, expires_in, user, organisation })?;
    set_cookie(ctx, &mut response, refresh_token.expose_secret(), auth::sessions::IDLE.as_secs())?;
    Ok(response)
}

fn set_cookie(ctx: &Ctx, response: &mut Response<Body>, token: &str, seconds: u64) -> Result<()> {
    let secure = if ctx.config.secure_cookies { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={token}; Path=/api/v1/auth; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::from_str(&text).map_err(|error| Error::ours(format!("cookie: {error}")))?;
    value.set_sensitive(true);
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && !value.is_empty())
        .map(|(_, value)| value)
}

/// Refuses a call that another site's page makes the browser send.
fn same_origin(call: &Call) -> Result<()> {
    const REFUSED: CallerError =
        CallerError::Forbidden("this call must come from a page of this deployment (Origin)");
    let origin = call.header(header::ORIGIN).ok_or(REFUSED)?;
    let allowed = call.ctx.config.allowed_origins.iter().any(|known| known == origin);
    let own = call.own_origin.as_deref() == Some(origin);
    let fetch_site = call.headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("?"));
    let fetched_here = match fetch_site {
        None | Some("same-origin") => true,
        // From another origin that this deployment names.
        Some("same-site" | "cross-site") => allowed,
        Some(_) => false,
    };
    if (own || allowed) && fetched_here { Ok(()) } else { Err(REFUSED.into()) }
}
