//! The one entry: route → authentication → rate limit → handler → response.

use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use frontdesk_app::auth::Authenticated;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::RequestId;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_domain::settings::Settings;
use frontdesk_ports::{BoxFuture, Ctx, MethodLabel, RequestLabels};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};

use crate::body::{self, Body};
use crate::call::{Call, Peer};
use crate::rate_limit::LimitClass;
use crate::{
    auth, chat, cors, documents, health, metrics, openapi, origin, problem, rate_limit, rooms, search,
    settings, socket, upload, usage, widget,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// A visitor, or a user with at least this role.
    VisitorOr(Role),
    /// A visitor.
    Visitor,
    /// A user with at least this role.
    User(Role),
}

/// What runs for a route.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Response<Body>>>;

/// One row of the API.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Which limit it counts against.
    pub limit: LimitClass,
    /// What runs.
    pub handler: Handler,
}

/// Makes a row: `route!(GET "/health" Public Unlimited health::overall)`.
macro_rules! route {
    ($method:ident $path:literal, $access:expr, $limit:ident, $handler:path) => {
        Route {
            method: Method::$method,
            path: $path,
            access: $access,
            limit: LimitClass::$limit,
            handler: |call| Box::pin($handler(call)),
        }
    };
}

/// Every row of the API. `openapi` describes the same rows; a test compares both.
pub static ROUTES: &[Route] = &[
    route!(GET "/health", Access::Public, Unlimited, health::overall),
    route!(GET "/health/live", Access::Public, Unlimited, health::live),
    route!(GET "/health/db", Access::Public, Unlimited, health::database),
    route!(GET "/health/vector", Access::Public, Unlimited, health::vector),
    route!(GET "/health/ai", Access::Public, Unlimited, health::ai),
    route!(GET "/health/services", Access::Public, Unlimited, health::services),
    route!(GET "/metrics", Access::Public, Unlimited, metrics::text),
    route!(POST "/api/v1/rooms/call", Access::Public, Unlimited, rooms::call),
    route!(POST "/api/v1/auth/login", Access::Public, Login, auth::login),
    route!(POST "/api/v1/auth/refresh", Access::Public, Write, auth::refresh),
    route!(POST "/api/v1/auth/logout", Access::Public, Write, auth::logout),
    route!(GET "/api/v1/me", Access::User(Role::Viewer), Read, auth::me),
    route!(GET "/api/v1/settings", Access::User(Role::Viewer), Read, settings::read),
    route!(PATCH "/api/v1/settings", Access::User(Role::Admin), Write, settings::change),
    route!(GET "/api/v1/settings/limits", Access::Public, Read, settings::limits),
    route!(GET "/api/v1/usage", Access::User(Role::Viewer), Read, usage::list),
    route!(GET "/api/v1/openapi.json", Access::Public, Read, openapi::document),
    route!(POST "/api/v1/widget/sessions", Access::Public, Write, widget::begin),
    route!(POST "/api/v1/conversations", Access::Visitor, Write, chat::begin),
    route!(PATCH "/api/v1/conversations/{id}", Access::User(Role::Operator), Write, chat::change),
    route!(POST "/api/v1/conversations/{id}/messages", Access::VisitorOr(Role::Operator), Write, chat::post_message),
    route!(GET "/api/v1/conversations/{id}/events", Access::VisitorOr(Role::Viewer), Read, chat::events),
    route!(GET "/api/v1/conversations/{id}/socket", Access::VisitorOr(Role::Viewer), Read, socket::open),
    route!(POST "/api/v1/conversations/{id}/read", Access::VisitorOr(Role::Operator), Write, chat::read),
    route!(POST "/api/v1/conversations/{id}/rating", Access::Visitor, Write, chat::rate),
    route!(POST "/api/v1/messages/{id}/feedback", Access::Visitor, Write, chat::feedback),
    route!(POST "/api/v1/uploads", Access::VisitorOr(Role::Operator), Write, upload::create),
    route!(GET "/api/v1/documents", Access::User(Role::Viewer), Read, documents::list),
    route!(POST "/api/v1/documents", Access::User(Role::Admin), Write, documents::create),
    route!(GET "/api/v1/documents/{id}", Access::User(Role::Viewer), Read, documents::get),
    route!(DELETE "/api/v1/documents/{id}", Access::User(Role::Admin), Write, documents::delete),
    route!(GET "/api/v1/documents/{id}/passages", Access::User(Role::Viewer), Read, documents::passages),
    route!(POST "/api/v1/documents/{id}/sync", Access::User(Role::Admin), Write, documents::sync),
    route!(POST "/api/v1/search", Access::User(Role::Viewer), Read, search::search),
];

/// The path patterns, each with the rows of its methods.
fn table() -> &'static matchit::Router<Vec<&'static Route>> {
    static TABLE: OnceLock<matchit::Router<Vec<&'static Route>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut by_path: Vec<(&'static str, Vec<&'static Route>)> = Vec::new();
        for route in ROUTES {
            match by_path.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, rows)) => rows.push(route),
                None => by_path.push((route.path, vec![route])),
            }
        }
        let mut table = matchit::Router::new();
        for (path, rows) in by_path {
            let inserted = table.insert(path, rows);
            debug_assert!(inserted.is_ok(), "two routes collide at {path}");
        }
        table
    })
}

/// Answers a request. Never fails: errors become problem documents.
pub async fn handle(ctx: Ctx, request: Request<Body>, peer: Peer) -> Response<Body> {
    let request_id = RequestId::new(ctx.clock.now(), ctx.random.entropy());
    let started = ctx.clock.now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let request = request.map(|body| body::incoming(&ctx, body, peer.pace));
    let origin = request.headers().get(header::ORIGIN).cloned();

    let found = find(&method, &path);
    let pattern = found.as_ref().map_or("unmatched", |found| found.route.path);
    let outcome = match found {
        Ok(found) => run(&ctx, found, request, peer, request_id).await,
        Err(_) if method == Method::OPTIONS && table().at(&path).is_ok() => Ok(cors::preflight()),
        Err(error) => Err(error),
    };
    let mut response = outcome.unwrap_or_else(|error| problem::response(&error, &path, request_id));
    finish(&mut response, request_id);
    cors::allow(&ctx, origin.as_ref(), pattern, &mut response);

    let status = response.status().as_u16();
    let took = ctx.clock.now().since(started);
    ctx.metrics.requests.get_or_create(&RequestLabels::new(pattern, &method, response.status())).inc();
    ctx.metrics.request_seconds.get_or_create(&[("route", pattern)]).observe(took.as_secs_f64());
    let method = MethodLabel::from(&method);
    tracing::info!(%request_id, %method, route = pattern, status, took_ms = took.as_millis(), "request");
    response
}

/// Refuses a request that its host has no room for.
pub fn refuse<T>(ctx: &Ctx, request: &Request<T>, error: &Error) -> Response<Body> {
    let request_id = RequestId::new(ctx.clock.now(), ctx.random.entropy());
    let path = request.uri().path();
    let mut response = problem::response(error, path, request_id);
    finish(&mut response, request_id);
    cors::allow(ctx, request.headers().get(header::ORIGIN), path, &mut response);
    response
}

struct Found {
    route: &'static Route,
    params: Vec<(String, String)>,
}

fn find(method: &Method, path: &str) -> Result<Found> {
    let matched = table().at(path).map_err(|_| Error::not_found("page"))?;
    let wanted = if method == Method::HEAD { &Method::GET } else { method };
    let Some(route) = matched.value.iter().find(|route| route.method == *wanted) else {
        let allow = matched.value.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
        return Err(CallerError::MethodNotAllowed { allow }.into());
    };
    let params = matched
        .params
        .iter()
        .map(|(key, value)| {
            (key.to_owned(), percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
        })
        .collect();
    Ok(Found { route, params })
}

async fn run(
    ctx: &Ctx,
    found: Found,
    request: Request<Body>,
    peer: Peer,
    request_id: RequestId,
) -> Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    // HTTP/2 says the host in the address.
    if !parts.headers.contains_key(header::HOST)
        && let Some(host) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        parts.headers.insert(header::HOST, host);
    }
    let own_origin = origin::own(&ctx.config.own_origin, &parts);
    let own_is_unknown = own_origin.is_none() && parts.headers.contains_key(header::ORIGIN);
    let authenticated = authenticate(ctx, found.route.access, &parts.headers).await?;
    let (scope, expires) = authenticated.map(|who| (who.scope, who.expires)).unzip();
    let guarded = found.route.limit != LimitClass::Unlimited;
    let settings = if guarded { rate_limit::door_settings(ctx, scope.as_ref()).await } else { Rc::default() };
    let limited = rate_limit::check(ctx, found.route.limit, scope.as_ref(), peer, &settings).await;
    let outcome = match limited.as_ref().and_then(rate_limit::Limited::refusal) {
        Some(refusal) => Err(refusal.into()),
        None => match closed(found.route, scope.as_ref(), &settings) {
            Some(closed) => Err(closed.into()),
            None => {
                let call = Call {
                    ctx: ctx.clone(),
                    request_id,
                    scope,
                    expires,
                    peer,
                    own_origin,
                    headers: parts.headers,
                    params: found.params,
                    query: parts.uri.query().unwrap_or("").to_owned(),
                    body,
                };
                (found.route.handler)(call).await
            }
        },
    };
    if own_is_unknown && matches!(outcome, Err(Error::Caller(CallerError::Forbidden(_)))) {
        tracing::warn!(%request_id, "a page was refused; if it is this deployment's own, PUBLIC_URL has to say where it is reached");
    }
    // A refusal tells where the caller stands, too.
    let mut response =
        outcome.unwrap_or_else(|error| problem::response(&error, parts.uri.path(), request_id));
    if let Some(limited) = limited {
        rate_limit::write_fields(&limited, response.headers_mut());
    }
    Ok(response)
}

/// Who asks, if the route is for it. A token of the wrong kind is no valid token here; a role that is too low is.
async fn authenticate(ctx: &Ctx, access: Access, headers: &HeaderMap) -> Result<Option<Authenticated>> {
    if access == Access::Public {
        return Ok(None);
    }
    let token = bearer(headers)
        .or_else(|| socket::offered_token(headers))
        .ok_or(CallerError::Unauthenticated("a token is needed: Authorization: Bearer <token>"))?;
    let authenticated = frontdesk_app::auth::authenticate(ctx, token).await?;
    let scope = &authenticated.scope;
    let visitor = matches!(scope.actor(), Actor::Visitor { .. });
    match access {
        Access::Visitor if !visitor => {
            Err(CallerError::Unauthenticated("a visitor's token is needed").into())
        }
        Access::User(_) if visitor => Err(CallerError::Unauthenticated("a user's token is needed").into()),
        Access::User(least) | Access::VisitorOr(least) if !visitor && !scope.has_role(least) => {
            Err(CallerError::Forbidden("your role does not allow this").into())
        }
        _ => Ok(Some(authenticated)),
    }
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// During maintenance only reading goes on, and what an administrator does; logging in stays possible for that.
fn closed(route: &Route, scope: Option<&TenantScope>, settings: &Settings) -> Option<CallerError> {
    let exempt = route.method == Method::GET || route.path.starts_with("/api/v1/auth/");
    if exempt { None } else { closed_for(scope, settings) }
}

/// Why `scope` may not write during maintenance.
pub fn closed_for(scope: Option<&TenantScope>, settings: &Settings) -> Option<CallerError> {
    let exempt = scope.is_some_and(|scope| scope.has_role(Role::Admin));
    (settings.maintenance && !exempt).then_some(CallerError::Unavailable {
        reason: "closed for maintenance; please try again later",
        retry_after: Duration::from_secs(60),
    })
}

/// What every response carries.
fn finish(response: &mut Response<Body>, request_id: RequestId) {
    const FIXED: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert("x-request-id", value);
    }
}
