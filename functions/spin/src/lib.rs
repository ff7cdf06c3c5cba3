//! The Spin component: a thin shell. It turns the host's request into the core's, asks [`frontdesk_api::handle`], and
//! turns the answer back. Bodies stream both ways. The portable build imports WASI interfaces only and runs on any host
//! of `wasi:http` 0.3.
#![cfg(target_os = "wasi")]

mod background;
mod extractor;
mod host;
mod http_client;
mod logs;
mod queued;
mod runtime;
mod variables;
mod web;

use frontdesk_api::{Body, BodyError, Pace, Peer};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyDataStream;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::{IncomingRequestBody, http_from_wasi_request, http_into_wasi_response};

wasip3::http::service::export!(Component);

/// What the host calls.
struct Component;

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(request: types::Request) -> Result<types::Response, ErrorCode> {
        let response = answer(http_from_wasi_request(request)?).await;
        let is_whole = matches!(response.body(), Body::Full(_));
        let response = http_into_wasi_response(response)?;
        if is_whole {
            // What writes the body begins to, so that the host has it at hand when it sends the head. Sent apart, as a host
            // with several threads may still do, they cost 40 ms where small packets are left to the kernel, as Spin does.
            wit_bindgen::yield_async().await;
        }
        Ok(response)
    }
}

/// Answers one request.
async fn answer(request: Request<IncomingRequestBody>) -> Response<Body> {
    let ctx = host::ctx().await;
    if host::has_database() {
        background::poll_what_is_due(&ctx, host::rooms());
    }
    let head = request.method() == Method::HEAD;
    if let Some(file) = web::serve(&request) {
        return with_length(file, head);
    }
    let ip = variables::CLIENT_ADDRESS.and_then(|name| Peer::address_in(request.headers(), name));
    let lingers = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let peer = Peer { ip, upgrades: false, pace: Pace { lingers, ..Pace::STANDARD } };
    let mut request = request.map(|body| {
        let pieces = BodyDataStream::new(body).map_err(|error| BodyError::Cut(error.to_string()));
        Body::Stream(pieces.boxed_local())
    });
    if let Some(host) = own_name(&request) {
        request.headers_mut().insert(header::HOST, host);
    }
    let mut response = frontdesk_api::handle(ctx, request, peer).await;
    for name in OF_THE_CONNECTION {
        response.headers_mut().remove(name);
    }
    with_length(response, head)
}

/// A whole body's length is known; an answer to HEAD has its length alone.
fn with_length(mut response: Response<Body>, head: bool) -> Response<Body> {
    let Body::Full(bytes) = response.body() else { return response };
    if !matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        let length = HeaderValue::from(bytes.len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    if head { response.map(|_| Body::empty()) } else { response }
}

/// Under which name and port the client reached this deployment. It is no header here, and wasmtime does not tell it at all.
fn own_name<T>(request: &Request<T>) -> Option<HeaderValue> {
    HeaderValue::from_str(request.uri().authority()?.as_str()).ok()
}

/// Headers that are the host's to set: WASI refuses a response that has them.
const OF_THE_CONNECTION: [HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE];
