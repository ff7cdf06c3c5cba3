//! Requests, headers and bodies between the runtime and the core.
//!
//! Each call into JavaScript costs about as much as parsing a small message, so what comes in many small parts (headers, a
//! short body's stream) is asked for as a whole.
//!
//! `worker` has a conversion of its own, but that one fails for a header outside ASCII and panics for an HTTP version it
//! does not know; a panic here would take down every request of the isolate.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_api::{Body, BodyError, Pace, Peer};
use frontdesk_ports::BoxStream;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use worker::js_sys::{Array, JSON, Promise, Uint8Array};
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;

/// The client's address, set by Cloudflare's front, which overwrites what a client sends.
const CLIENT_ADDRESS: &str = "cf-connecting-ip";

/// A body that is told to be at most so long, in bytes, is taken as a whole.
const SHORT: u64 = 256 * 1024;

/// A short body comes in one piece, so that it is silent as long as it takes. A body that is not read is the runtime's
/// to deal with.
const PACE: Pace = Pace { silence: Duration::from_secs(120), lingers: false, ..Pace::STANDARD };

/// The core's request, and who asks. `None` when the method or the address has no place in HTTP's types (an address
/// over 64 KiB, say).
pub fn request(from: &web_sys::Request) -> Option<(Request<Body>, Peer)> {
    let headers = headers(&from.headers());
    let whole = Clone::clone(from);
    let body = match body(&headers, || from.body(), move || whole.array_buffer()) {
        Some(pieces) => Body::Stream(pieces.map_err(BodyError::Cut).boxed_local()),
        None => Body::empty(),
    };
    let mut request = Request::builder().method(from.method().as_str()).uri(from.url()).body(body).ok()?;
    *request.headers_mut() = headers;
    let ip = Peer::address_in(request.headers(), CLIENT_ADDRESS);
    Some((request, Peer { ip, upgrades: true, pace: PACE }))
}

/// A response's body; an error is the runtime's word for it.
pub fn response_body(
    from: &web_sys::Response,
    headers: &HeaderMap,
) -> BoxStream<'static, Result<Bytes, String>> {
    let whole = Clone::clone(from);
    body(headers, || from.body(), move || whole.array_buffer())
        .unwrap_or_else(|| futures_util::stream::empty().boxed_local())
}

/// A body as a stream: in one piece when it is told to be short, otherwise as the runtime delivers it.
fn body(
    headers: &HeaderMap,
    pieces: impl FnOnce() -> Option<web_sys::ReadableStream>,
    whole: impl FnOnce() -> Result<Promise, JsValue> + 'static,
) -> Option<BoxStream<'static, Result<Bytes, String>>> {
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(0) => None,
        // Of a compressed body the length says little.
        Some(1..=SHORT) if !headers.contains_key(header::CONTENT_ENCODING) => {
            let read = async move {
                let buffer = JsFuture::from(whole()?).await?;
                Ok(Bytes::from(Uint8Array::new(&buffer).to_vec()))
            };
            let read = read.map_err(|error: JsValue| worker::Error::from(error).to_string());
            Some(futures_util::stream::once(read).boxed_local())
        }
        _ => Some(worker::Body::new(pieces()?).map_err(|error| error.to_string()).boxed_local()),
    }
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

/// Headers; those that HTTP does not allow are left out.
pub fn headers(from: &web_sys::Headers) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs =
        JSON::stringify(&Array::from(from)).ok().and_then(|pairs| pairs.as_string()).unwrap_or_default();
    let pairs: Vec<(String, String)> = serde_json::from_str(&pairs).unwrap_or_default();
    for (name, value) in pairs {
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
