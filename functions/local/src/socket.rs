//! WebSockets: hyper hands over the connection, tungstenite speaks the protocol, and a [`Session`] says what.

use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_api::socket::{Outgoing, Session, SocketGrant};
use frontdesk_ports::Ctx;
use futures_util::future::FusedFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use crate::server::{Phase, Working};

/// The longest message that is read at all, in bytes; a longer one closes the socket with 1009. Between this and the
/// protocol's own limit it is answered with an error.
const MAX_MESSAGE: usize = 1024 * 1024;
/// Read at once, in bytes. Small: most sockets are silent.
const READ_BUFFER: usize = 8 * 1024;
/// How often a silent client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long a client may be silent before it is gone.
const SILENCE: Duration = Duration::from_secs(75);
/// How long a client has for its `hello`.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// How long a write may take.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);
/// How long, and how many bytes, a client that was closed may still send before the connection is cut: cut earlier, it
/// would see a reset instead of the reason.
const LINGER: Duration = Duration::from_secs(5);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The headers with which the connection becomes a socket; `None` when the request is no handshake.
pub fn handshake(request: &HeaderMap) -> Option<[(header::HeaderName, HeaderValue); 3]> {
    let key = request.get(header::SEC_WEBSOCKET_KEY)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    Some([
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ])
}

/// Serves a socket to its end. The connection is at work as long as it is open.
pub async fn serve(
    ctx: Ctx,
    grant: SocketGrant,
    upgrade: OnUpgrade,
    mut phase: watch::Receiver<Phase>,
    working: Working,
) {
    // Clients go at any time; that is no fault.
    let Ok(upgraded) = upgrade.await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(READ_BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let io = TokioIo::new(upgraded);
    let socket: Socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let (mut sink, mut stream) = socket.split();
    let session = Session::new(ctx, grant);
    let last_frame = Cell::new(Instant::now());
    let close = tokio::select! {
        close = receive(&session, &mut stream, &last_frame) => close,
        close = send(&session, &mut sink, &last_frame, &mut phase) => close,
    };
    // Others see that this listener left, however long the closing takes.
    drop(session);
    if let (Some(close), Ok(socket)) = (close, sink.reunite(stream)) {
        let _ = timeout(LINGER, finish(socket, close)).await;
    }
    drop(working);
}

fn closing(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

/// Hands the client's frames to the session until the client has gone. Gives how to close, if there is a client left to
/// tell.
async fn receive(
    session: &Session,
    stream: &mut SplitStream<Socket>,
    last_frame: &Cell<Instant>,
) -> Option<CloseFrame> {
    while let Some(message) = stream.next().await {
        last_frame.set(Instant::now());
        match message {
            Ok(Message::Text(text)) => session.on_text(&text).await,
            Ok(Message::Binary(_)) => session.on_binary(),
            Ok(Message::Ping(_)) => session.on_ping(),
            Ok(Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
            Err(Error::Capacity(_)) => return Some(closing(CloseCode::Size, "the frame is far too large")),
            Err(Error::Utf8(_)) => return Some(closing(CloseCode::Invalid, "the text is not UTF-8")),
            Err(Error::Protocol(_)) => return Some(closing(CloseCode::Protocol, "no WebSocket frame")),
            Err(_) => return None,
        }
    }
    None
}

/// Sends what the session gives until it closes, or the client is silent. Gives how to close, if there is a client left
/// to tell.
async fn send(
    session: &Session,
    sink: &mut SplitSink<Socket, Message>,
    last_frame: &Cell<Instant>,
    phase: &mut watch::Receiver<Phase>,
) -> Option<CloseFrame> {
    let away = || closing(CloseCode::Away, "the server stops");
    let mut ping = tokio::time::interval(PING_EVERY);
    // The first one is at once.
    ping.tick().await;
    let hello = tokio::time::sleep(HELLO_DEADLINE);
    let ended = session.ended().fuse();
    tokio::pin!(hello, ended);
    loop {
        let next = tokio::select! {
            next = session.next() => next?,
            // The others are sent away when their room is closed, after everything that it still told.
            () = async { drop(phase.wait_for(|phase| *phase == Phase::Over).await) }, if !session.has_begun() => return Some(away()),
            _ = ping.tick() => {
                if last_frame.get().elapsed() > SILENCE {
                    return None;
                }
                write(sink, Message::Ping(Bytes::new())).await?;
                continue;
            }
            // What follows is the close.
            () = &mut ended, if !ended.is_terminated() => continue,
            () = &mut hello, if !session.has_begun() && !hello.is_elapsed() => {
                if session.has_begun() {
                    continue;
                }
                return Some(closing(CloseCode::Policy, "say hello"));
            }
        };
        let mut next = Some(next);
        // What waits at the same moment goes out in one piece.
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Text(text) => timeout(WRITE_DEADLINE, sink.feed(text.into())).await.ok()?.ok()?,
                Outgoing::Close(_) if *phase.borrow() == Phase::Over => return Some(away()),
                Outgoing::Close(close) => return Some(closing(close.code.into(), close.reason)),
            }
            next = session.next().now_or_never().flatten();
        }
        timeout(WRITE_DEADLINE, sink.flush()).await.ok()?.ok()?;
    }
}

/// Sends one message; `None` when the client has gone.
async fn write(sink: &mut SplitSink<Socket, Message>, message: Message) -> Option<()> {
    timeout(WRITE_DEADLINE, sink.send(message)).await.ok()?.ok()
}

/// Closes, and reads on for a while: first to the client's own close, then, when what it sends cannot be understood, as
/// bytes.
async fn finish(mut socket: Socket, close: CloseFrame) {
    if socket.close(Some(close)).await.is_err() {
        return;
    }
    let mut closed = false;
    while let Some(message) = socket.next().await {
        closed |= matches!(message, Ok(Message::Close(_)));
    }
    if closed {
        return;
    }
    let mut io = socket.into_inner();
    let mut buffer = vec![0; 16 * 1024];
    let mut left = LINGER_BYTES;
    while let Ok(read @ 1..) = io.read(&mut buffer).await {
        match left.checked_sub(read) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
