//! The Cloudflare Worker: a thin shell. It turns the runtime's request into the core's, makes the ports of one request,
//! asks [`frontdesk_api::handle`], and turns the answer back. Bodies stream both ways.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

mod convert;
mod http_client;
mod ports;

// Named so that their features reach the versions of `getrandom` that the core's dependencies use.
use getrandom_02 as _;
use getrandom_03 as _;
use worker::{Context, Env, event, web_sys};

/// Answers one request.
///
/// # Errors
/// Only when the runtime refuses to make a response; the core's errors are problem documents.
#[event(fetch)]
async fn fetch(request: web_sys::Request, _env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let Some((request, peer)) = convert::request(&request) else {
        return convert::refusal();
    };
    let ctx = ports::ctx(context);
    let response = frontdesk_api::handle(ctx, request, peer).await;
    worker::response_to_wasm(response)
}
