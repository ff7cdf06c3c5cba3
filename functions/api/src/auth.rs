//! `/api/v1/auth/…`: users register, log in, stay logged in, choose an organisation, log out.
//!
//! The refresh token lives in a cookie that scripts cannot read and that is sent to these paths alone. The calls that act on
//! it must come from a page of this deployment: the cookie is `SameSite=Strict`, and `Origin` (with `Sec-Fetch-Site`, where the
//! browser sends it) is checked on top. A second cookie says of a browser that a user has logged in there before; it opens
//! nothing.

use frontdesk_app::auth::{self, LoginFrom, NewAccount, Organisation, Session, User};
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::OrgId;
use frontdesk_ports::Ctx;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::problem::{Problem, WriteProblems};

/// The cookie with the refresh token. It is written and read by hand: the crate `cookie` brings `time` for dates that are
/// not used, and would add 45 KB (16 KB compressed) to a Worker.
///
/// Where cookies are `Secure` their names have the prefix `__Secure-`: over that one no page of plain HTTP can set another.
const COOKIE: &str = "fd_refresh";
/// The prefix that browsers allow for secure cookies alone.
const SECURE: &str = "__Secure-";
/// The cookie by which a browser is known again.
const DEVICE: &str = "fd_device";

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
    /// In which organisation; without it in the first one that the user belongs to.
    organisation: Option<OrgId>,
}

/// An organisation with its first member.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The organisation's name.
    #[schema(min_length = 1, max_length = 100)]
    organisation: String,
    /// The person's name, as others see it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The e-mail address.
    #[schema(max_length = 254)]
    email: String,
    /// The password: at least 10 characters, at most 256 bytes, not common. Of a person who has an account, the one it has.
    #[schema(value_type = String, format = Password, max_length = 256)]
    password: SecretString,
}

/// The organisation to go on in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchRequest {
    /// Its id.
    organisation: OrgId,
}

/// An invitation that is accepted.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptRequest {
    /// The token of the invitation's link: what stands after `#`.
    #[schema(value_type = String, max_length = 512)]
    token: SecretString,
    /// The person's name, as others see it; of a person who has an account it stays as it is.
    #[schema(max_length = 100)]
    name: String,
    /// The password: at least 10 characters, at most 256 bytes, not common. Of a person who has an account, the one it has.
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
    /// In which organisation.
    organisation: Organisation,
    /// All organisations in which the user may work, the first one first.
    organisations: Vec<Organisation>,
}

/// Makes an organisation with its owner, where registration is open, and logs the owner in. The cookie `__Secure-fd_refresh` is set (`fd_refresh` over plain HTTP).
#[utoipa::path(
    post, path = "/api/v1/auth/register", tag = "auth", request_body = RegisterRequest,
    responses(
        (status = 201, body = LoggedIn),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The person has too many organisations"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub async fn register(mut call: Call) -> Result<Response<Body>> {
    let RegisterRequest { organisation, name, email, password } = call.json().await?;
    let new = NewAccount {
        organisation: &organisation,
        name: &name,
        email: &email,
        password: password.expose_secret(),
    };
    let session = auth::register(&call.ctx, new, &caller(&call)).await?;
    logged_in(&call.ctx, StatusCode::CREATED, session)
}

/// Accepts an invitation and logs its person in. The cookie `__Secure-fd_refresh` is set (`fd_refresh` over plain HTTP).
#[utoipa::path(
    post, path = "/api/v1/auth/invites/accept", tag = "auth", request_body = AcceptRequest,
    responses(
        (status = 200, body = LoggedIn),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It was used, taken back or has run out"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub async fn accept(mut call: Call) -> Result<Response<Body>> {
    let AcceptRequest { token, name, password } = call.json().await?;
    let (token, password) = (token.expose_secret(), password.expose_secret());
    let session = auth::invites::accept(&call.ctx, token, &name, password, &caller(&call)).await?;
    logged_in(&call.ctx, StatusCode::OK, session)
}

/// A new access token, for another organisation of the cookie's user. As [`refresh`] otherwise; where the user does not belong
/// to the organisation, nothing changes.
#[utoipa::path(
    post, path = "/api/v1/auth/switch", tag = "auth", request_body = SwitchRequest,
    responses(
        (status = 200, body = LoggedIn),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    )
)]
pub async fn switch(mut call: Call) -> Result<Response<Body>> {
    same_origin(&call)?;
    let SwitchRequest { organisation } = call.json().await?;
    let token = cookie(&call.headers, COOKIE).ok_or(CallerError::Unauthenticated("not logged in"))?;
    let session = auth::switch(&call.ctx, token, organisation).await?;
    logged_in(&call.ctx, StatusCode::OK, session)
}

/// Logs in. The cookie `__Secure-fd_refresh` is set (`fd_refresh` over plain HTTP).
#[utoipa::path(
    post, path = "/api/v1/auth/login", tag = "auth", request_body = LoginRequest,
    responses(
        (status = 200, body = LoggedIn),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The user does not belong to the organisation"),
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
    let LoginRequest { email, password, organisation } = call.json().await?;
    let session =
        auth::login(&call.ctx, &email, password.expose_secret(), organisation, &caller(&call)).await?;
    logged_in(&call.ctx, StatusCode::OK, session)
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
    let token = cookie(&call.headers, COOKIE).ok_or(CallerError::Unauthenticated("not logged in"))?;
    let session = auth::refresh(&call.ctx, token).await?;
    logged_in(&call.ctx, StatusCode::OK, session)
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
    auth::logout(&call.ctx, cookie(&call.headers, COOKIE)).await?;
    let mut response = no_content();
    set_cookie(&call.ctx, &mut response, COOKIE, "", 0)?;
    Ok(response)
}

/// From where a call comes that logs in.
fn caller(call: &Call) -> LoginFrom {
    LoginFrom {
        address: call.peer.ip,
        device: cookie(&call.headers, DEVICE).map(str::to_owned),
        before: cookie(&call.headers, COOKIE).map(SecretString::from),
        client: call.header(header::USER_AGENT).unwrap_or_default().to_owned(),
    }
}

fn logged_in(ctx: &Ctx, status: StatusCode, session: Session) -> Result<Response<Body>> {
    let Session { access_token, expires_in, refresh_token, device_token, user, organisation, organisations } =
        session;
    let body = LoggedIn { access_token, expires_in, user, organisation, organisations };
    let mut response = json(status, &body)?;
    let refresh = refresh_token.expose_secret();
    set_cookie(ctx, &mut response, COOKIE, refresh, auth::sessions::IDLE.as_secs())?;
    if let Some(device) = device_token {
        set_cookie(ctx, &mut response, DEVICE, &device, auth::tokens::DEVICE_SECONDS)?;
    }
    Ok(response)
}

fn set_cookie(ctx: &Ctx, response: &mut Response<Body>, name: &str, token: &str, seconds: u64) -> Result<()> {
    let (prefix, secure) = if ctx.config.secure_cookies { (SECURE, "; Secure") } else { ("", "") };
    let text = format!(
        "{prefix}{name}={token}; Path=/api/v1/auth; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
    );
    let mut value = HeaderValue::from_str(&text).map_err(|error| Error::ours(format!("cookie: {error}")))?;
    value.set_sensitive(true);
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

/// A cookie, under its name with or without the prefix: without it are those from before there was one, and those of plain HTTP
/// on this machine.
fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let named = |prefix: &str| {
        pairs(headers).find(|(name, _)| name.strip_prefix(prefix) == Some(wanted)).map(|(_, value)| value)
    };
    named(SECURE).or_else(|| named(""))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(_, value)| !value.is_empty())
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
