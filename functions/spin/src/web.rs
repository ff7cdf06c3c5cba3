//! The static files: widget and demo page, from the directory that the manifest mounts. Compressed copies made by the build
//! are served to clients that accept them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use frontdesk_api::{Body, weight};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use sha2::{Digest, Sha256};

/// Where the files are mounted.
const ROOT: &str = "/web";
/// What pages may load: themselves and nothing else.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                      form-action 'self'; frame-ancestors 'none'";

/// What the pages need of a browser beside a screen and a keyboard: nothing.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// A file as it was mounted.
#[derive(Clone)]
struct File {
    bytes: Bytes,
    /// Quoted, as it stands in headers.
    tag: String,
}

thread_local! {
    /// What was read; a mounted directory does not change. Only files that exist are kept.
    static FILES: RefCell<BTreeMap<String, File>> = const { RefCell::new(BTreeMap::new()) };
}

/// The file that a request asks for; `None` when it asks for none.
pub fn serve<T>(request: &Request<T>) -> Option<Response<Body>> {
    let path = request.uri().path();
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return None;
    }
    if matches!(path, "/" | "/demo") && Path::new(ROOT).is_dir() {
        return Some(redirect(request.uri().query()));
    }
    let name = match path {
        "/demo/" => "/demo/index.html",
        _ => path,
    };
    let kind = media_type(name)?;
    let headers = request.headers();
    let (file, encoding) = accepted(headers)
        .find_map(|(suffix, encoding)| Some((read(&format!("{name}{suffix}"))?, encoding)))?;
    let mut response = Response::new(Body::empty());
    let fixed = response.headers_mut();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            fixed.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, kind);
    set(header::ETAG, &file.tag);
    let page = kind.starts_with("text/html");
    set(
        header::CACHE_CONTROL,
        if page { "no-cache" } else { "public, max-age=300, stale-while-revalidate=86400" },
    );
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "strict-origin-when-cross-origin");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::HeaderName::from_static("permissions-policy"), PERMISSIONS);
    set(header::VARY, "Accept-Encoding");
    if !encoding.is_empty() {
        set(header::CONTENT_ENCODING, encoding);
    }
    if !path.starts_with("/demo") {
        // The widget is made to be embedded anywhere, also as a module or with `crossorigin`.
        set(header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
        set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == file.tag.as_bytes()) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    *response.body_mut() = Body::Full(file.bytes);
    Some(response)
}

/// What the client takes, best first: the suffix of a copy, and what it is called.
fn accepted(headers: &HeaderMap) -> impl Iterator<Item = (&'static str, &'static str)> {
    let told = headers.get(header::ACCEPT_ENCODING).and_then(|told| told.to_str().ok()).unwrap_or("");
    let mut copies = [(".br", "br"), (".gz", "gzip")]
        .map(|copy| (weight(told, copy.1).unwrap_or(0), copy))
        .into_iter()
        .filter(|(weight, _)| *weight > 0)
        .collect::<Vec<_>>();
    // Of equal ones the first, which is the smaller.
    copies.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    copies.into_iter().map(|(_, copy)| copy).chain([("", "")])
}

/// By the name: `None` for what is not made to be served, and for any name that could lead elsewhere.
fn media_type(name: &str) -> Option<&'static str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_');
    if !name.chars().all(plain) || name.contains("..") || name.contains("//") || name.contains("/.") {
        return None;
    }
    let (_, suffix) = name.rsplit_once('.')?;
    Some(match suffix {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "map" | "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => return None,
    })
}

fn read(name: &str) -> Option<File> {
    if let Some(file) = FILES.with_borrow(|files| files.get(name).cloned()) {
        return Some(file);
    }
    let bytes = std::fs::read(format!("{ROOT}{name}")).ok()?;
    let hash = Sha256::digest(&bytes);
    let tag = format!("\"{}\"", hex::encode(hash.get(..16).unwrap_or_default()));
    let file = File { bytes: bytes.into(), tag };
    FILES.with_borrow_mut(|files| files.insert(name.to_owned(), file.clone()));
    Some(file)
}

fn redirect(query: Option<&str>) -> Response<Body> {
    let target = query.map_or("/demo/".to_owned(), |query| format!("/demo/?{query}"));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(header::LOCATION, target);
    }
    response
}
