//! The HTTP server: hyper in front of `api::handle`, and the static files.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_api::socket::SocketGrant;
use frontdesk_api::{Body, BodyError, Peer, is_of_the_api};
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::host::Host;
use crate::socket;

/// How long a client may take to send the head of its request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How many connections are open at most.
const MAX_CONNECTIONS: usize = 10_000;
/// How long the end waits for turns and requests in progress.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `stop` ends; then takes no more connections, waits up to 10 s for what is in progress, and returns. A turn
/// that is not done by then is taken up at the next start.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    host: Rc<Host>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (enter, phase) = watch::channel(Phase::Serving);
    let open = Rc::new(Cell::new(0_usize));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((socket, address)) if open.get() < MAX_CONNECTIONS => {
                        // A streamed answer is many small writes.
                        let _ = socket.set_nodelay(true);
                        let counted = Rc::new(Connection::new(&open));
                        let work = connection(Rc::clone(&host), socket, address, phase.clone(), counted);
                        tokio::task::spawn_local(host.tasks.guarded("connection", Box::pin(work)));
                    }
                    Ok(_) => tracing::warn!("too many connections"),
                    Err(error) => {
                        // Out of file descriptors, most likely: wait instead of spinning.
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
            () = &mut stop => break,
        }
    }
    drop(listener);
    tracing::info!(turns = host.rooms.turns_in_progress(), "stopping");
    host.rooms.drain();
    let _ = enter.send(Phase::Draining);
    let work = async {
        while host.rooms.turns_in_progress() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = enter.send(Phase::Over);
        host.rooms.disconnect();
        host.tasks.idle().await;
    };
    if tokio::time::timeout(DRAIN, work).await.is_err() {
        tracing::warn!(
            turns = host.rooms.turns_in_progress(),
            "stopped with turns in progress; they are taken up at the next start"
        );
    }
    let _ = enter.send(Phase::Over);
    host.rooms.disconnect();
    // Let the ends of the streams reach their sockets.
    for _ in 0..50 {
        if open.get() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What the server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Serving,
    /// No new connections; turns and requests in progress go on for a while.
    Draining,
    /// Whoever is still connected is told to come back.
    Over,
}

/// A connection that counts as long as it is held.
pub struct Connection(Rc<Cell<usize>>);

impl Connection {
    fn new(open: &Rc<Cell<usize>>) -> Self {
        open.set(open.get().saturating_add(1));
        Self(Rc::clone(open))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

async fn connection(
    host: Rc<Host>,
    socket: tokio::net::TcpStream,
    address: SocketAddr,
    mut phase: watch::Receiver<Phase>,
    counted: Rc<Connection>,
) {
    let seen = phase.clone();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (host, phase, counted) = (Rc::clone(&host), seen.clone(), Rc::clone(&counted));
        async move { Ok::<_, Infallible>(answer(&host, request, address.ip(), phase, counted).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).half_close(false);
    let connection = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = phase.wait_for(|phase| *phase != Phase::Serving) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients go at any time; that is no fault of anybody.
        tracing::debug!(%error, "connection ended");
    }
}

type ResponseBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body that stays on its thread.
pub enum Served {
    /// From the API.
    Api(Body),
    /// A static file.
    File(ResponseBody),
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Api(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::File(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Api(body) => body.is_end_stream(),
            Self::File(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Api(body) => body.size_hint(),
            Self::File(body) => body.size_hint(),
        }
    }
}

async fn answer(
    host: &Rc<Host>,
    mut request: http::Request<Incoming>,
    ip: IpAddr,
    phase: watch::Receiver<Phase>,
    counted: Rc<Connection>,
) -> http::Response<Served> {
    let path = request.uri().path();
    if !is_of_the_api(path) && matches!(*request.method(), http::Method::GET | http::Method::HEAD) {
        let (parts, _) = request.into_parts();
        let mut missing = http::Request::new(Body::empty());
        missing.method_mut().clone_from(&parts.method);
        missing.uri_mut().clone_from(&parts.uri);
        if let Some(response) = host.web.serve(http::Request::from_parts(parts, ())).await {
            return response.map(|body| Served::File(body.map_err(Into::into).boxed_unsync()));
        }
        return frontdesk_api::handle(host.ctx.clone(), missing, Peer { ip: Some(ip), ..Peer::default() })
            .await
            .map(Served::Api);
    }
    let head = request.method() == http::Method::HEAD;
    let upgrade = hyper::upgrade::on(&mut request);
    let handshake = socket::handshake(request.headers());
    let request = request.map(|body| {
        if http_body::Body::is_end_stream(&body) {
            return Body::empty();
        }
        let pieces = BodyDataStream::new(body).map_err(|error| BodyError(error.to_string()));
        Body::Stream(frontdesk_api::lingering(&host.ctx, pieces.boxed_local()))
    });
    let peer = Peer { ip: Some(ip), upgrades: handshake.is_some() };
    let mut response = frontdesk_api::handle(host.ctx.clone(), request, peer).await;
    if let (Some(grant), Some(handshake)) = (response.extensions_mut().remove::<SocketGrant>(), handshake) {
        response.headers_mut().extend(handshake);
        let work = socket::serve(host.ctx.clone(), grant, upgrade, phase, counted);
        tokio::task::spawn_local(host.tasks.guarded("socket", Box::pin(work)));
    }
    if head { response.map(|_| Served::Api(Body::empty())) } else { response.map(Served::Api) }
}
