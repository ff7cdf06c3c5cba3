//! The Spin component: a thin shell. It turns the host's request into the core's, asks [`frontdesk_api::handle`], and
//! turns the answer back. Bodies stream both ways. The portable build imports WASI interfaces only and runs on any host
//! of `wasi:http` 0.3.
#![cfg(target_os = "wasi")]

mod http_client;
mod ports;
mod variables;

use frontdesk_api::{Body, BodyError, Peer};
use futures_util::{StreamExt, TryStreamExt};
use http::{HeaderMap, Response};
use http_body_util::BodyDataStream;
use spin_sdk::http::Request;
use spin_sdk::http_service;

/// Answers one request.
#[http_service]
async fn answer(request: Request) -> Response<Body> {
    let peer = Peer { ip: client_address(request.headers()), ..Peer::default() };
    let request = request.map(|body| {
        let pieces = BodyDataStream::new(body).map_err(|error| BodyError(error.to_string()));
        Body::Stream(pieces.boxed_local())
    });
    frontdesk_api::handle(ports::ctx().await, request, peer).await
}

/// The client's address from Spin's header. Spin does not remove one that the client sent itself, but puts its own
/// last. Other hosts set none, so there it says nothing.
fn client_address(headers: &HeaderMap) -> Option<std::net::IpAddr> {
    if !variables::ON_SPIN {
        return None;
    }
    let told = headers.get_all("spin-client-addr").iter().next_back()?.to_str().ok()?;
    told.parse::<std::net::SocketAddr>().map(|address| address.ip()).or_else(|_| told.parse()).ok()
}
