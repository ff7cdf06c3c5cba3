//! HTTP calls of the core, through reqwest with rustls.

mod public;

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{ByteStream, Egress, FetchError, FetchLimits, HttpClient};
use futures_util::StreamExt as _;
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, Url};
use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Layer, Service};

use public::{NotPublic, PublicResolver, is_public};

/// Idle connections that are kept for each host.
const IDLE_PER_HOST: usize = 64;

tokio::task_local! {
    /// The connect limit of the call that is being made: reqwest has one per client only.
    static CONNECT_LIMIT: Duration;
}

/// [`HttpClient`] over reqwest. Redirects are not followed and cookies not kept.
///
/// Certificates are checked against the system's roots, and against Mozilla's where the system has none (bare
/// containers). Calls to configured services honour the usual proxy variables; calls to public addresses go out
/// directly, because a proxy would resolve the name out of our sight.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    configured: Client,
    public: Client,
}

impl ReqwestClient {
    /// A client with empty connection pools.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new() -> anyhow::Result<Self> {
        // rustls is built without a default; installing it a second time is no fault.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            // Compressed streams would be held back by the decoder, and model services send little anyway.
            configured: build(|| base().no_gzip())?,
            public: build(|| base().no_proxy().dns_resolver(PublicResolver))?,
        })
    }
}

fn base() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("Frontdesk/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .pool_idle_timeout(Duration::from_secs(90))
        .tcp_keepalive(Duration::from_secs(30))
        .connector_layer(ConnectLimit)
}

fn build(client: impl Fn() -> ClientBuilder) -> reqwest::Result<Client> {
    client().build().or_else(|_| {
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| reqwest::Certificate::from_der(der).ok());
        client().tls_certs_only(mozilla).build()
    })
}

#[async_trait(?Send)]
impl HttpClient for ReqwestClient {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        limits: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        let start = Instant::now();
        let total = deadline(start, limits.total);
        let head = deadline(start, limits.head);
        let request = convert(request)?;
        let client = match limits.egress {
            Egress::Configured => &self.configured,
            Egress::Public => {
                check_public(request.url())?;
                &self.public
            }
        };
        let call = CONNECT_LIMIT.scope(limits.connect, client.execute(request));
        let mut response = timeout_at(head.min(total), call)
            .await
            .map_err(|_| FetchError::Timeout(if head <= total { "head" } else { "total" }))?
            .map_err(before_head)?;
        let mut answer = http::Response::new(());
        *answer.status_mut() = response.status();
        *answer.version_mut() = response.version();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer.map(|()| body(response, limits, total)))
    }
}

fn deadline(start: Instant, limit: Duration) -> Instant {
    // A limit beyond what the clock can say is as good as a year.
    start.checked_add(limit.min(Duration::from_secs(31_536_000))).unwrap_or(start)
}

fn convert(request: http::Request<Bytes>) -> Result<reqwest::Request, FetchError> {
    let (head, body) = request.into_parts();
    let url: Url =
        head.uri.to_string().parse().map_err(|_| FetchError::Refused("the address is no URL".to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Refused("only http and https addresses are allowed".to_owned()));
    }
    let mut request = reqwest::Request::new(head.method, url);
    *request.headers_mut() = head.headers;
    if !body.is_empty() {
        *request.body_mut() = Some(body.into());
    }
    Ok(request)
}

/// Refuses addresses in the URL itself; names are left to [`PublicResolver`]. The URL parser has already turned every
/// odd spelling (`0x7f.1`, `2130706433`) into an address.
fn check_public(url: &Url) -> Result<(), FetchError> {
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => address.into(),
        Some(url::Host::Ipv6(address)) => address.into(),
        Some(url::Host::Domain(_)) => return Ok(()),
        None => return Err(FetchError::Refused("the address has no host".to_owned())),
    };
    if is_public(address) { Ok(()) } else { Err(FetchError::Refused(NotPublic.to_string())) }
}

fn body(response: Response, limits: FetchLimits, total: Instant) -> ByteStream {
    let state = Some((response, 0_u64));
    futures_util::stream::unfold(state, move |state| async move {
        let (mut response, read) = state?;
        let gap = deadline(Instant::now(), limits.gap);
        match timeout_at(gap.min(total), response.chunk()).await {
            Err(_) => Some((Err(FetchError::Timeout(if gap < total { "gap" } else { "total" })), None)),
            Ok(Err(error)) => Some((Err(FetchError::Lost(reason(error))), None)),
            Ok(Ok(None)) => None,
            Ok(Ok(Some(bytes))) => {
                let read = read.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                if read > limits.max_bytes {
                    return Some((Err(FetchError::TooLarge(limits.max_bytes)), None));
                }
                Some((Ok(bytes), Some((response, read))))
            }
        }
    })
    // Unfold panics when it is polled after its end.
    .fuse()
    .boxed_local()
}

fn before_head(error: reqwest::Error) -> FetchError {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref::<NotPublic>().is_some() || is_not_public(cause) {
            return FetchError::Refused(NotPublic.to_string());
        }
        source = cause.source();
    }
    if error.is_connect() {
        if error.is_timeout() { FetchError::Timeout("connect") } else { FetchError::Connect(reason(error)) }
    } else {
        FetchError::Lost(reason(error))
    }
}

/// `io::Error` hides what it wraps from `source()`.
fn is_not_public(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
        .is_some_and(|inner| inner.is::<NotPublic>())
}

/// The innermost cause, without the URL: it may hold what must not be in a log.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    reason
}

/// Ends connecting (name, TCP and TLS) at the limit of the call that asked for it.
#[derive(Debug, Clone, Copy)]
struct ConnectLimit;

impl<S> Layer<S> for ConnectLimit {
    type Service = LimitedConnect<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LimitedConnect { inner }
    }
}

#[derive(Debug, Clone)]
struct LimitedConnect<S> {
    inner: S,
}

impl<S, Target> Service<Target> for LimitedConnect<S>
where
    S: Service<Target, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connect = self.inner.call(target);
        let Ok(limit) = CONNECT_LIMIT.try_with(|limit| *limit) else { return Box::pin(connect) };
        Box::pin(async move {
            match tokio::time::timeout(limit, connect).await {
                Ok(connected) => connected,
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// 100,000 zeros, compressed.
    const BOMB: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x31\x01\x00\x00\x00\xc2\xa0\xf5\x4f\x6d\x0d\x0f\xa0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x57\x03\x7d\x95\x11\xd4\xa0\x86\x01\x00";

    #[tokio::test]
    async fn bytes_are_counted_after_decompression() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let length = BOMB.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
            socket.write_all(&[head.as_bytes(), BOMB].concat()).await.unwrap();
        });
        // As for public addresses, but for the resolver: it would refuse loopback.
        let ready = ReqwestClient::new().unwrap();
        let client = ReqwestClient { configured: build(base).unwrap(), ..ready };
        let limits = FetchLimits {
            connect: Duration::from_secs(5),
            head: Duration::from_secs(5),
            gap: Duration::from_secs(5),
            total: Duration::from_secs(5),
            max_bytes: 50_000,
            egress: Egress::Configured,
        };
        let response =
            client.send(http::Request::get(url).body(Bytes::new()).unwrap(), limits).await.unwrap();
        let pieces: Vec<Result<Bytes, FetchError>> = response.into_body().collect().await;
        assert_eq!(pieces.last(), Some(&Err(FetchError::TooLarge(50_000))));
    }
}
