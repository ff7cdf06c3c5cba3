//! The one entry: route → authentication → rate limit → handler → response.

use std::net::IpAddr;
use std::sync::OnceLock;

use frontdesk_app::auth::{Authenticated, NO_PERSON};
use frontdesk_app::policy::{self, Via};
use frontdesk_app::schema;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::RequestId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, MethodLabel, OwnOrigin, RequestLabels, caught};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};

use crate::body::{self, Body};
use crate::call::{Call, Peer, no_content};
use crate::routes::{Access, Pages, ROUTES, Route, is_of_health, is_of_the_api};
use crate::{cors, origin, problem, rate_limit, socket};

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

    let matched = find(&path);
    let pattern = matched.as_ref().map_or("unmatched", Matched::pattern);
    let pages = matched.as_ref().map_or(Pages::Named, |matched| matched.pages(&method));
    if let Some(matched) = &matched
        && method == Method::OPTIONS
    {
        let mut response = cors::preflight(&ctx.config.allowed_origins, matched.rows, request.headers());
        finish(&ctx, &mut response, request_id);
        note(&ctx, pattern, &method, &response, started, request_id);
        return response;
    }
    let outcome =
        match matched.ok_or_else(|| Error::not_found("page")).and_then(|matched| matched.row(&method)) {
            Ok(found) => match caught(run(&ctx, found, request, peer, request_id)).await {
                Ok(outcome) => outcome,
                // A defect in one request is that request's alone.
                Err(cause) => {
                    ctx.metrics.supervision.died("request", &cause, ctx.clock.now());
                    Err(Error::ours(format!("a panic: {cause}")))
                }
            },
            Err(_) if !is_of_the_api(&path) && !is_read(&method) => of_files(&method),
            Err(error) => Err(error),
        };
    let mut response = outcome.unwrap_or_else(|error| problem::response(&error, &path, request_id));
    finish(&ctx, &mut response, request_id);
    cors::allow(&ctx.config.allowed_origins, origin.as_ref(), pages, &mut response);
    if method == Method::HEAD && matches!(response.body(), Body::Stream(_)) {
        // A platform may wait for its end, which an event stream has not.
        *response.body_mut() = Body::empty();
    }

    note(&ctx, pattern, &method, &response, started, request_id);
    response
}

/// Counts what was answered, and says it.
fn note(
    ctx: &Ctx,
    pattern: &'static str,
    method: &Method,
    response: &Response<Body>,
    started: Timestamp,
    request_id: RequestId,
) {
    let status = response.status().as_u16();
    let took = ctx.clock.now().since(started);
    ctx.metrics.requests.get_or_create(&RequestLabels::new(pattern, method, response.status())).inc();
    ctx.metrics.request_seconds.get_or_create(&[("route", pattern)]).observe(took.as_secs_f64());
    let method = MethodLabel::from(method);
    tracing::info!(%request_id, %method, route = pattern, status, took_ms = took.as_millis(), "request");
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Where the API is not, files are: they can be read, and a client may ask what it can do with them.
fn of_files(method: &Method) -> Result<Response<Body>> {
    const ALLOW: &str = "GET, HEAD, OPTIONS";
    if method != Method::OPTIONS {
        return Err(CallerError::MethodNotAllowed { allow: ALLOW.to_owned() }.into());
    }
    let mut response = no_content();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    Ok(response)
}

/// Refuses a request that its host has no room for. A pre-flight is answered all the same: without its answer no page could
/// read the refusal of what follows.
pub fn refuse<T>(ctx: &Ctx, request: &Request<T>, error: &Error) -> Response<Body> {
    let request_id = RequestId::new(ctx.clock.now(), ctx.random.entropy());
    let path = request.uri().path();
    let matched = find(path);
    if let Some(matched) = &matched
        && request.method() == Method::OPTIONS
    {
        let mut response = cors::preflight(&ctx.config.allowed_origins, matched.rows, request.headers());
        finish(ctx, &mut response, request_id);
        return response;
    }
    let mut response = problem::response(error, path, request_id);
    finish(ctx, &mut response, request_id);
    let pages = matched.map_or(Pages::Named, |matched| matched.pages(request.method()));
    cors::allow(&ctx.config.allowed_origins, request.headers().get(header::ORIGIN), pages, &mut response);
    response
}

/// A path of the table.
struct Matched {
    rows: &'static [&'static Route],
    params: Vec<(String, String)>,
}

/// A row of the table.
struct Found {
    route: &'static Route,
    params: Vec<(String, String)>,
}

fn find(path: &str) -> Option<Matched> {
    let matched = table().at(path).ok()?;
    let params = matched
        .params
        .iter()
        .map(|(key, value)| {
            (key.to_owned(), percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
        })
        .collect();
    Some(Matched { rows: matched.value, params })
}

impl Matched {
    fn pattern(&self) -> &'static str {
        self.rows.first().map_or("unmatched", |row| row.path)
    }

    fn by(&self, method: &Method) -> Option<&'static Route> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        self.rows.iter().find(|route| route.method == *wanted).copied()
    }

    /// Which pages may read what this method is answered. That there is no such method may be read where any may be called.
    fn pages(&self, method: &Method) -> Pages {
        let open = match self.by(method) {
            Some(route) => route.pages == Pages::Any,
            None => self.rows.iter().any(|route| route.pages == Pages::Any),
        };
        if open { Pages::Any } else { Pages::Named }
    }

    fn row(self, method: &Method) -> Result<Found> {
        let Some(route) = self.by(method) else {
            let allow = self.rows.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
            return Err(CallerError::MethodNotAllowed { allow }.into());
        };
        Ok(Found { route, params: self.params })
    }
}

async fn run(
    ctx: &Ctx,
    found: Found,
    request: Request<Body>,
    peer: Peer,
    request_id: RequestId,
) -> Result<Response<Body>> {
    if needs_the_schema(found.route) {
        schema::ready(ctx).await?;
    }
    let (mut parts, body) = request.into_parts();
    // HTTP/2 says the host in the address.
    if !parts.headers.contains_key(header::HOST)
        && let Some(host) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        parts.headers.insert(header::HOST, host);
    }
    let own_origin = origin::own(&ctx.config.own_origin, &parts);
    let own_is_unknown = own_origin.is_none() && parts.headers.contains_key(header::ORIGIN);
    let peer = Peer { ip: client(ctx, peer.ip, &parts.headers), ..peer };
    let authenticated = authenticate(ctx, found.route.access, &parts.headers, peer).await?;
    let (scope, expires) = authenticated.map(|who| (who.scope, who.expires)).unzip();
    let via = Via::widget(peer.ip);
    let outcome = match admit(ctx, found.route, scope.as_ref(), &via).await {
        Err(refusal) => Err(refusal),
        Ok(()) => {
            let call = Call {
                ctx: ctx.clone(),
                request_id,
                scope,
                expires,
                peer,
                via: via.clone(),
                own_origin,
                headers: parts.headers,
                params: found.params,
                query: parts.uri.query().unwrap_or("").to_owned(),
                body,
            };
            match same_pages(&call).await {
                Err(refusal) => Err(refusal),
                Ok(()) => (found.route.handler)(call).await,
            }
        }
    };
    if own_is_unknown && matches!(outcome, Err(Error::Caller(CallerError::Forbidden(_)))) {
        tracing::warn!(%request_id, "a page was refused; if it is this deployment's own, PUBLIC_URL has to say where it is reached");
    }
    // A refusal tells where the caller stands, too.
    let mut response =
        outcome.unwrap_or_else(|error| problem::response(&error, parts.uri.path(), request_id));
    if let Some(standing) = via.standing() {
        rate_limit::write_fields(&standing, response.headers_mut());
    }
    Ok(response)
}

/// The client's address, behind whichever proxies are trusted.
fn client(ctx: &Ctx, connection: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let joined = |name: HeaderName| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.collect::<Vec<_>>().join(",")
    };
    let usual = || joined(HeaderName::from_static("x-forwarded-for"));
    connection.map(|address| ctx.config.trusted_proxies.client(address, &joined(header::FORWARDED), &usual()))
}

/// How this deployment is, and what it is, is told on any schema.
fn needs_the_schema(route: &Route) -> bool {
    !(is_of_health(route.path) || route.path == "/metrics" || route.path.ends_with("/openapi.json"))
}

/// Who asks, if the route is for it. A token of the wrong kind is no valid token here; a role that is too low is.
async fn authenticate(
    ctx: &Ctx,
    access: Access,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Option<Authenticated>> {
    if matches!(access, Access::Public | Access::Machine) {
        return Ok(None);
    }
    let token = bearer(headers)
        .or_else(|| socket::offered_token(headers))
        .ok_or(CallerError::Unauthenticated("a token is needed: Authorization: Bearer <token>"))?;
    let authenticated = frontdesk_app::auth::authenticate(ctx, token, peer.ip).await?;
    let scope = &authenticated.scope;
    let visitor = matches!(scope.actor(), Actor::Visitor { .. });
    match access {
        Access::Visitor if !visitor => {
            Err(CallerError::Unauthenticated("a visitor's token is needed").into())
        }
        Access::User(_) if visitor => Err(CallerError::Unauthenticated("a user's token is needed").into()),
        Access::User(needed) | Access::VisitorOr(needed) if !visitor && !scope.may(needed) => {
            let of_persons = scope.is_key() && !needed.for_keys();
            Err(CallerError::Forbidden(if of_persons { NO_PERSON } else { "your role does not allow this" })
                .into())
        }
        _ => Ok(Some(authenticated)),
    }
}

/// The token of `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A visitor's token counts on the pages of its site, as they are now: an origin that was taken away calls no more.
async fn same_pages(call: &Call) -> Result<()> {
    match (&call.scope, call.foreign_origin()) {
        (Some(scope), Some(origin)) if matches!(scope.actor(), Actor::Visitor { .. }) => {
            frontdesk_app::widget::check_caller_origin(&call.ctx, scope, origin).await
        }
        _ => Ok(()),
    }
}

/// The policy of routes that have no channel of their own. During maintenance only reading goes on, and what an administrator
/// does; logging in stays possible for that.
async fn admit(ctx: &Ctx, route: &Route, scope: Option<&TenantScope>, via: &Via) -> Result<()> {
    let Some(class) = route.limit.class() else { return Ok(()) };
    let settings = policy::in_force(ctx, scope).await;
    policy::count(ctx, class, scope, via, &settings).await?;
    let exempt = route.method == Method::GET || route.path.starts_with("/api/v1/auth/");
    if exempt { Ok(()) } else { policy::open(scope, &settings) }
}

/// What every response carries.
fn finish(ctx: &Ctx, response: &mut Response<Body>, request_id: RequestId) {
    const FIXED: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Not where pages may come over plain HTTP: browsers would refuse them for a year.
    let secured = match &ctx.config.own_origin {
        OwnOrigin::Known(origin) => origin.starts_with("https://"),
        OwnOrigin::Routed => true,
        OwnOrigin::ByAddress => false,
    };
    if secured {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert("x-request-id", value);
    }
}
