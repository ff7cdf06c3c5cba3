//! Requests and refusals between the runtime and the core.
//!
//! `worker` has a conversion of its own, but that one fails for a header outside ASCII and panics for an HTTP version it
//! does not know; a panic here would take down every request of the isolate.

use frontdesk_api::{Body, BodyError, Peer};
use frontdesk_ports::BoxStream;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use worker::js_sys::Array;
use worker::wasm_bindgen::JsCast;
use worker::web_sys;

/// The client's address, set by Cloudflare's front, which overwrites what a client sends.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";

/// The core's request, and who asks. `None` when the method or the address has no place in HTTP's types (an address
/// over 64 KiB, say).
pub fn request(from: &web_sys::Request) -> Option<(Request<Body>, Peer)> {
    let body = from.body().map_or_else(Body::empty, |stream| Body::Stream(pieces(stream)));
    let mut request = Request::builder().method(from.method().as_str()).uri(from.url()).body(body).ok()?;
    *request.headers_mut() = headers(&from.headers());
    let ip = request.headers().get(CLIENT_ADDRESS).and_then(|value| value.to_str().ok()?.parse().ok());
    Some((request, Peer { ip, upgrades: true }))
}

/// The answer to a request that cannot be read at all.
///
/// # Errors
/// When the runtime refuses to make a response.
pub fn refusal() -> worker::Result<web_sys::Response> {
    let init = web_sys::ResponseInit::new();
    init.set_status(400);
    web_sys::Response::new_with_opt_str_and_init(None, &init).map_err(worker::Error::from)
}

/// The body, piece by piece as the runtime delivers it.
fn pieces(stream: web_sys::ReadableStream) -> BoxStream<'static, Result<bytes::Bytes, BodyError>> {
    worker::Body::new(stream).map(|piece| piece.map_err(|error| BodyError(error.to_string()))).boxed_local()
}

/// Headers; those that HTTP does not allow are left out.
pub fn headers(from: &web_sys::Headers) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for entry in from.entries() {
        let Some(pair) = entry.ok().and_then(|entry| entry.dyn_into::<Array>().ok()) else { continue };
        let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) else { continue };
        // JavaScript shows each byte of a header as one character (isomorphic decoding); this is the way back.
        let bytes: Vec<u8> = value.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&bytes))
        {
            headers.append(name, value);
        }
    }
    headers
}
