//! `GET /api/v1/conversations/{id}/socket`: a conversation over a WebSocket.
//!
//! A client offers the subprotocols `frontdesk.v1` and `fd.<token>`; the answer selects the first. A caller that may not
//! listen is refused before the upgrade. [`open`] only lets in: it answers 101 with a [`SocketGrant`], the host makes a
//! socket of the connection and drives a [`Session`] over it.
//!
//! Application codes with which the server closes: 1008 after too many frames, 1013 when the client should come back
//! with its last `seq`, [`EXPIRED`] when its token has ended. A host closes with 1001 when it stops and with 1009 when a
//! frame is so large that it is not even read.

mod frame;
mod session;

use frontdesk_app::widget;
use frontdesk_domain::error::{CallerError, Result};
use frontdesk_domain::id::ConversationId;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::body::Body;
use crate::call::Call;
use crate::problem::Problem;

pub use frame::{ClientFrame, ServerFrame};
pub use session::{Close, EXPIRED, MAX_FRAME_BYTES, Outgoing, Session, SocketState};

/// The subprotocol, with its version.
pub const PROTOCOL: &str = "frontdesk.v1";
/// What stands before the token among the offered subprotocols.
const TOKEN_PREFIX: &str = "fd.";

/// That a socket was let in: in the extensions of a response with status 101.
#[derive(Debug, Clone)]
pub struct SocketGrant(SocketState);

impl From<SocketGrant> for SocketState {
    fn from(grant: SocketGrant) -> Self {
        grant.0
    }
}

/// The subprotocols that are offered.
fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim)
}

/// The token among the offered subprotocols: a page cannot set other headers on a socket.
pub fn offered_token(headers: &HeaderMap) -> Option<&str> {
    offered(headers).find_map(|protocol| protocol.strip_prefix(TOKEN_PREFIX))
}

/// Opens a WebSocket. Offer the subprotocols `frontdesk.v1` and `fd.<token>`. Frames are JSON text, at most 64 KiB from
/// the client: `ClientFrame` one way, `ServerFrame` the other.
#[utoipa::path(get, path = "/api/v1/conversations/{id}/socket", tag = "visitor",
    params(("id" = ConversationId, Path, description = "The conversation"),
        ("Upgrade" = Option<String>, Header, description = "`websocket`"),
        ("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`frontdesk.v1, fd.<token>`")),
    security(("bearer" = [])),
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 400, description = "The subprotocol is not offered", body = Problem, content_type = "application/problem+json"),
        (status = 426, description = "The request asks for no WebSocket", body = Problem, content_type = "application/problem+json"),
        (status = 501, description = "This host has no sockets; use the event stream", body = Problem, content_type = "application/problem+json"),
        crate::problem::ReadProblems))]
pub async fn open(call: Call) -> Result<Response<Body>> {
    let id: ConversationId = call.id("id", "conversation")?;
    let asks = call.header(header::UPGRADE).is_some_and(|kind| kind.trim().eq_ignore_ascii_case("websocket"));
    let known = call.header(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version.trim() == "13");
    if !asks || !known {
        return Err(CallerError::UpgradeRequired.into());
    }
    if !offered(&call.headers).any(|protocol| protocol == PROTOCOL) {
        return Err(CallerError::Unreadable(format!("offer the subprotocol {PROTOCOL}")).into());
    }
    let scope = call.scope()?;
    let page = call.foreign_origin();
    if let Some(origin) = page {
        widget::check_caller_origin(&call.ctx, scope, origin).await?;
    }
    // Whether it is the caller's.
    call.ctx.rooms.replay(scope, id, 0, 1).await?;
    if !call.peer.upgrades {
        return Err(CallerError::NotImplemented(
            "this connection cannot become a WebSocket here; use the event stream",
        )
        .into());
    }
    let expires = call.expires.unwrap_or_default();
    let grant = SocketGrant(SocketState::new(scope, id, call.peer.ip, page, expires));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    response.extensions_mut().insert(grant);
    Ok(response)
}
