//! Cross-origin requests, as <https://fetch.spec.whatwg.org/#http-cors-protocol> has them.
//!
//! Visitors' calls come from any site that embeds the widget; they carry a bearer token and never a cookie, so their
//! answers may be read from anywhere: a page without permission can tell why. Which origins may get a token, and use it, is
//! checked by the router. Everything else is for the origins that the deployment names.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::body::Body;
use crate::routes::{Pages, Route};

/// What a page may send. Scripts that watch a page's requests add fields of their own to each (`traceparent`, `baggage`), so
/// the asterisk; it does not stand for `Authorization`, nor for any field where cookies are sent.
const HEADERS: &str =
    "authorization, content-type, accept, if-match, if-none-match, last-event-id, idempotency-key, *";
/// What a page may read beside what it always may.
const EXPOSED: &str = "x-request-id, retry-after, ratelimit, ratelimit-policy, etag, content-disposition";
/// For how long a browser may remember a pre-flight, in seconds: as long as any browser does.
const MAX_AGE: &str = "7200";

/// The answer to `OPTIONS` for a path with these rows; `known` are the origins that the deployment names.
pub fn preflight(known: &[String], rows: &[&Route], asked: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, methods(rows.iter().copied()));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = asked.get(header::ORIGIN) else { return response };
    let named = is_named(known, origin);
    // A browser remembers each method that stands here, so only those that this origin may call do.
    let open: Vec<&Route> = rows.iter().copied().filter(|row| named || row.pages == Pages::Any).collect();
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    if wanted.is_some_and(|wanted| !open.iter().any(|row| is_method(row, wanted))) || open.is_empty() {
        return response;
    }
    permit(headers, origin, named);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods(open.into_iter()));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    response
}

/// Lets the calling page read the answer, where it may.
pub fn allow(known: &[String], origin: Option<&HeaderValue>, pages: Pages, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    // Also without an origin: what a cache keeps of such a request is not for pages of other origins.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin else { return };
    let named = is_named(known, origin);
    if named || pages == Pages::Any {
        permit(headers, origin, named);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.insert(HeaderName::from_static("timing-allow-origin"), origin.clone());
    }
}

fn permit(headers: &mut HeaderMap, origin: &HeaderValue, named: bool) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if named {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// Whether the deployment names this origin.
fn is_named(known: &[String], origin: &HeaderValue) -> bool {
    known.iter().any(|known| origin == known.as_str())
}

fn is_method(row: &Route, wanted: &HeaderValue) -> bool {
    wanted == row.method.as_str() || (row.method == Method::GET && wanted == "HEAD")
}

/// The rows' methods, with those that come with them.
fn methods<'a>(rows: impl Iterator<Item = &'a Route>) -> HeaderValue {
    let mut names = Vec::new();
    for row in rows {
        names.push(row.method.as_str());
        if row.method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::no_content;
    use crate::routes::ROUTES;

    const KNOWN: &str = "https://console.example";

    fn answer(rows: &[&Route], origin: &str, method: &str) -> HeaderMap {
        let mut asked = HeaderMap::new();
        asked.insert(header::ORIGIN, origin.parse().unwrap());
        asked.insert(header::ACCESS_CONTROL_REQUEST_METHOD, method.parse().unwrap());
        let response = preflight(&[KNOWN.to_owned()], rows, &asked);
        assert_eq!(response.status(), 204);
        response.headers().clone()
    }

    fn list<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
        headers.get(name).map_or(Vec::new(), |value| value.to_str().unwrap().split(", ").collect())
    }

    /// The CORS check of the Fetch standard, and steps 8 to 11 of its CORS-preflight fetch for `fields`, which are not
    /// safelisted.
    fn lets(headers: &HeaderMap, origin: &str, method: &str, fields: &[&str]) -> bool {
        let methods = list(headers, "access-control-allow-methods");
        let names = list(headers, "access-control-allow-headers");
        headers.get("access-control-allow-origin").is_some_and(|allowed| allowed == origin)
            && (matches!(method, "GET" | "HEAD" | "POST") || methods.contains(&method))
            && fields
                .iter()
                .all(|field| names.contains(field) || (*field != "authorization" && names.contains(&"*")))
    }

    #[test]
    fn a_page_of_any_origin_may_call_what_the_table_says_and_nothing_else() {
        let sent = [
            "authorization",
            "content-type",
            "if-match",
            "if-none-match",
            "last-event-id",
            "idempotency-key",
            "traceparent",
        ];
        for route in ROUTES {
            let rows: Vec<&Route> = ROUTES.iter().filter(|row| row.path == route.path).collect();
            let method = route.method.as_str();
            for (origin, may) in [
                ("https://shop.example", route.pages == Pages::Any),
                (KNOWN, true),
                ("null", route.pages == Pages::Any),
            ] {
                let headers = answer(&rows, origin, method);
                assert_eq!(
                    lets(&headers, origin, method, &sent),
                    may,
                    "{method} {} from {origin}",
                    route.path
                );
                assert_eq!(headers.contains_key("access-control-allow-credentials"), origin == KNOWN);
                assert_eq!(headers["vary"], "Origin");
                assert!(list(&headers, "allow").contains(&method));
                assert!(!lets(&answer(&rows, origin, "BREW"), origin, "BREW", &[]), "{}", route.path);
            }
        }
    }

    #[test]
    fn a_browser_remembers_no_method_that_the_page_may_not_call() {
        let row = |method: Method, pages| {
            let model = &ROUTES[0];
            Route {
                method,
                path: "/x",
                access: model.access,
                pages,
                limit: model.limit,
                handler: model.handler,
            }
        };
        let (read, change) = (row(Method::GET, Pages::Any), row(Method::PATCH, Pages::Named));
        let rows = [&read, &change];
        let stranger = answer(&rows, "https://shop.example", "GET");
        assert_eq!(stranger["access-control-allow-origin"], "https://shop.example");
        assert_eq!(list(&stranger, "access-control-allow-methods"), ["GET", "HEAD", "OPTIONS"]);
        assert!(!answer(&rows, "https://shop.example", "PATCH").contains_key("access-control-allow-origin"));
        assert!(lets(&answer(&rows, KNOWN, "PATCH"), KNOWN, "PATCH", &["if-match"]));
        assert_eq!(list(&stranger, "allow"), ["GET", "HEAD", "PATCH", "OPTIONS"]);
    }

    #[test]
    fn an_answer_is_kept_apart_by_origin_also_when_none_was_sent() {
        let mut response = no_content();
        allow(&[], None, Pages::Any, &mut response);
        assert_eq!(response.headers()["vary"], "Origin");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}
