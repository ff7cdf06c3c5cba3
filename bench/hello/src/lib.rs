//! A component that says hello: what a component costs at least.
#![cfg(target_os = "wasi")]

use http::{HeaderValue, Response, header};
use http_body_util::Full;
use wasip3::http::types::{self, ErrorCode};
use wasip3::http_compat::http_into_wasi_response;

wasip3::http::service::export!(Component);

/// What the host calls.
struct Component;

impl wasip3::exports::http::handler::Guest for Component {
    async fn handle(_request: types::Request) -> Result<types::Response, ErrorCode> {
        let mut response = Response::new(Full::new(&br#"{"status":"ok"}"#[..]));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        http_into_wasi_response(response)
    }
}
