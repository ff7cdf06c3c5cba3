//! The HTTP server: hyper in front of `api::handle`, and the static files.

mod connections;
pub mod descriptors;

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use frontdesk_api::socket::SocketGrant;
use frontdesk_api::{Body, BodyError, Peer, is_of_health, is_of_the_api};
use frontdesk_domain::error::{CallerError, Error};
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_io_timeout::TimeoutStream;

use crate::host::Host;
use crate::socket;

pub use connections::{Connection, Connections, Cut, Limits, Working};

/// When a client that found no room should come back.
const COME_BACK: Duration = Duration::from_secs(5);
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
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (enter, phase) = watch::channel(Phase::Serving);
    let open = Connections::new(limits, Rc::clone(&host.ctx.metrics));
    tokio::pin!(stop);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                match accepted {
                    Ok((socket, address)) => {
                        if let Some(entered) = open.enter(address.ip()) {
                            let client = Client {
                                host: Rc::clone(&host),
                                ip: address.ip(),
                                phase: phase.clone(),
                                connections: open.clone(),
                                connection: Rc::new(entered),
                            };
                            let work = host.tasks.guarded("connection", Box::pin(connection(client, socket)));
                            tokio::task::spawn_local(work);
                        }
                        // In a rush, too, a request that has come already is read before its connection counts as idle.
                        tokio::task::yield_now().await;
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: wait instead of spinning.
                        tracing::warn!(%error, "accept failed");
                        open.make_room();
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
        if open.count() == 0 {
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
    /// Clients that are still connected are told to come back.
    Over,
}

/// Who is at the other end of one connection, and what it is served from.
#[derive(Clone)]
struct Client {
    host: Rc<Host>,
    ip: IpAddr,
    phase: watch::Receiver<Phase>,
    connections: Connections,
    connection: Rc<Connection>,
}

async fn connection(client: Client, socket: TcpStream) {
    let Client { mut phase, connections, connection: counted, .. } = client.clone();
    let limits = *connections.limits();
    let reserved = counted.refused.is_some();
    // A streamed answer is many small writes.
    let _ = socket.set_nodelay(true);
    // What a client does not take may wait in the kernel, too; there the kernel counts the time.
    let patience = u32::try_from(limits.write.as_millis()).unwrap_or(u32::MAX);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(&socket, patience);
    let mut socket = Box::pin(TimeoutStream::new(socket));
    socket.as_mut().set_write_timeout_pinned(Some(limits.write));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let client = client.clone();
        async move {
            Ok::<_, Infallible>(match client.connection.refused {
                Some(why) => answer_reserved(&client, request, why).await,
                None => answer(&client, request).await,
            })
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(if reserved { limits.reserve_head } else { limits.head })
        .keep_alive(!reserved)
        .half_close(false);
    let connection = builder.serve_connection(TokioIo::new(socket), service).with_upgrades();
    tokio::pin!(connection);
    // What `wait_for` gives locks the channel: kept while the connection ends, it would stop the whole process.
    let stopping = async { drop(phase.wait_for(|phase| *phase != Phase::Serving).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = counted.cut() => return,
        () = stopping => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        if stalled(&error) {
            connections.note(Cut::Stalled);
        } else if error.is_timeout() {
            connections.note(Cut::Silent);
        }
        // Clients go at any time; that is no fault.
        tracing::debug!(%error, "connection ended");
    }
}

/// Whether a client took nothing of what was sent to it.
fn stalled(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::TimedOut)
}

type ResponseBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response on its way. The connection works until it is sent.
pub struct Served {
    body: ServedBody,
    _working: Working,
}

/// A response body that stays on its thread.
enum ServedBody {
    /// From the API.
    Api(Body),
    /// A static file.
    File(ResponseBody),
}

/// The API's response, while `working`.
fn served(response: http::Response<Body>, working: Working) -> http::Response<Served> {
    response.map(|body| Served { body: ServedBody::Api(body), _working: working })
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        match &mut self.body {
            ServedBody::Api(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            ServedBody::File(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            ServedBody::Api(body) => body.is_end_stream(),
            ServedBody::File(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match &self.body {
            ServedBody::Api(body) => body.size_hint(),
            ServedBody::File(body) => body.size_hint(),
        }
    }
}

async fn answer(client: &Client, mut request: http::Request<Incoming>) -> http::Response<Served> {
    let Client { host, ip, .. } = client;
    let working = client.connection.work();
    if !has_its_host(&request) {
        let error = CallerError::Unreadable("HTTP/1.1 wants one Host header".to_owned());
        let mut response = frontdesk_api::refuse(&host.ctx, &request, &error.into());
        response.headers_mut().insert(http::header::CONNECTION, CLOSE);
        return served(response, working);
    }
    let peer = Peer { ip: Some(*ip), upgrades: false, pace: client.connections.limits().pace };
    let path = request.uri().path();
    if !is_of_the_api(path) && matches!(*request.method(), http::Method::GET | http::Method::HEAD) {
        let (parts, _) = request.into_parts();
        let mut missing = http::Request::new(Body::empty());
        missing.method_mut().clone_from(&parts.method);
        missing.uri_mut().clone_from(&parts.uri);
        if let Some(response) = host.web.serve(http::Request::from_parts(parts, ())).await {
            return response.map(|body| Served {
                body: ServedBody::File(body.map_err(Into::into).boxed_unsync()),
                _working: working,
            });
        }
        let response = frontdesk_api::handle(host.ctx.clone(), missing, peer).await;
        return served(response, working);
    }
    let head = request.method() == http::Method::HEAD;
    let upgrade = hyper::upgrade::on(&mut request);
    let handshake = socket::handshake(request.headers());
    let request = request.map(|body| {
        if http_body::Body::is_end_stream(&body) {
            return Body::empty();
        }
        let pieces = BodyDataStream::new(body).map_err(|error| BodyError::Cut(error.to_string()));
        Body::Stream(pieces.boxed_local())
    });
    let peer = Peer { upgrades: handshake.is_some(), ..peer };
    let mut response = frontdesk_api::handle(host.ctx.clone(), request, peer).await;
    if let (Some(grant), Some(handshake)) = (response.extensions_mut().remove::<SocketGrant>(), handshake) {
        response.headers_mut().extend(handshake);
        let (phase, working) = (client.phase.clone(), client.connection.work());
        let work = socket::serve(host.ctx.clone(), grant, upgrade, phase, working);
        tokio::task::spawn_local(host.tasks.guarded("socket", Box::pin(work)));
    }
    if response.status() == http::StatusCode::REQUEST_TIMEOUT {
        // What the client sends after all would not be the next request.
        response.headers_mut().insert(http::header::CONNECTION, CLOSE);
    }
    served(if head { response.map(|_| Body::empty()) } else { response }, working)
}

/// Whether a request of HTTP/1.1 names its host as it must (RFC 9112, section 3.2). Earlier versions need none.
fn has_its_host<T>(request: &http::Request<T>) -> bool {
    let hosts = request.headers().get_all(http::header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < http::Version::HTTP_11)
}

const CLOSE: http::HeaderValue = http::HeaderValue::from_static("close");

/// What a connection in the reserve is told: how this deployment is, or when to come back.
async fn answer_reserved(
    client: &Client,
    request: http::Request<Incoming>,
    why: Cut,
) -> http::Response<Served> {
    let working = client.connection.work();
    let ctx = client.host.ctx.clone();
    let head = request.method() == http::Method::HEAD;
    let request = request.map(|_| Body::empty());
    let mut response = if is_of_health(request.uri().path()) {
        let peer = Peer { ip: Some(client.ip), ..Peer::default() };
        frontdesk_api::handle(ctx, request, peer).await
    } else {
        let error = match why {
            Cut::Address => CallerError::RateLimited { retry_after: COME_BACK },
            _ => CallerError::Unavailable {
                reason: "too many connections at the moment; please try again",
                retry_after: COME_BACK,
            },
        };
        frontdesk_api::refuse(&ctx, &request, &Error::from(error))
    };
    response.headers_mut().insert(http::header::CONNECTION, CLOSE);
    served(if head { response.map(|_| Body::empty()) } else { response }, working)
}
