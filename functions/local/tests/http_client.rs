//! The HTTP client against a server that misbehaves on real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_local::http_client::ReqwestClient;
use frontdesk_ports::{Egress, FetchError, FetchLimits, HttpClient as _};
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(5),
    head: Duration::from_secs(5),
    gap: Duration::from_secs(5),
    total: Duration::from_secs(10),
    max_bytes: 1000,
    egress: Egress::Configured,
};
const SHORT: Duration = Duration::from_millis(60);

/// A server that reads a request, sends each piece of `script`, and then holds the connection (`hold`) or closes it.
async fn server(script: Vec<&'static [u8]>, hold: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            read_head(&mut socket).await;
            for piece in &script {
                socket.write_all(piece).await.unwrap();
                socket.flush().await.unwrap();
            }
            if hold {
                // Until the client goes away.
                let _ = socket.read(&mut [0; 16]).await;
            }
        }
    });
    address
}

async fn read_head(socket: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
}

async fn fetch(url: &str, limits: FetchLimits) -> Result<(u16, Vec<u8>), FetchError> {
    let client = ReqwestClient::new().unwrap();
    let request = http::Request::get(url).body(Bytes::new()).unwrap();
    let response = client.send(request, limits).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut read = Vec::new();
    while let Some(bytes) = body.next().await {
        read.extend_from_slice(&bytes?);
    }
    assert!(body.next().await.is_none(), "the stream is over when it is over");
    Ok((status, read))
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_status_is_never_an_error_and_redirects_are_not_followed() {
    let at = server(vec![OK], false).await;
    assert_eq!(fetch(&format!("http://{at}/"), LIMITS).await, Ok((200, b"hello".to_vec())));
    let at = server(
        vec![b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
        false,
    )
    .await;
    assert_eq!(fetch(&format!("http://{at}/"), LIMITS).await, Ok((302, vec![])));
    let at = server(vec![b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"], false).await;
    assert_eq!(fetch(&format!("http://{at}/"), LIMITS).await, Ok((500, vec![])));
}

#[tokio::test]
async fn each_limit_of_time_says_its_name() {
    let silent = server(vec![], true).await;
    let half = server(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe"], true).await;
    for (name, at, limits) in [
        ("head", silent, FetchLimits { head: SHORT, ..LIMITS }),
        ("total", silent, FetchLimits { total: SHORT, ..LIMITS }),
        ("gap", half, FetchLimits { gap: SHORT, ..LIMITS }),
        ("total", half, FetchLimits { total: SHORT, ..LIMITS }),
    ] {
        assert_eq!(fetch(&format!("http://{at}/"), limits).await, Err(FetchError::Timeout(name)));
    }
}

#[tokio::test]
async fn the_limit_of_connecting_covers_the_tls_handshake() {
    // It takes the connection and never says a word of TLS.
    let silent = server(vec![], true).await;
    let limits = FetchLimits { connect: SHORT, ..LIMITS };
    assert_eq!(fetch(&format!("https://{silent}/"), limits).await, Err(FetchError::Timeout("connect")));
}

#[tokio::test]
async fn a_body_over_the_limit_is_cut_off() {
    let at = server(vec![OK], false).await;
    let limits = FetchLimits { max_bytes: 4, ..LIMITS };
    assert_eq!(fetch(&format!("http://{at}/"), limits).await, Err(FetchError::TooLarge(4)));
    let limits = FetchLimits { max_bytes: 5, ..LIMITS };
    assert!(fetch(&format!("http://{at}/"), limits).await.is_ok());
}

#[tokio::test]
async fn a_connection_that_breaks_is_lost() {
    let at = server(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe"], false).await;
    assert!(matches!(fetch(&format!("http://{at}/"), LIMITS).await, Err(FetchError::Lost(_))));
    let at = server(vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n"], false).await;
    assert!(matches!(fetch(&format!("http://{at}/"), LIMITS).await, Err(FetchError::Lost(_))));
    let at = server(vec![b""], false).await;
    assert!(matches!(fetch(&format!("http://{at}/"), LIMITS).await, Err(FetchError::Lost(_))));
}

#[tokio::test]
async fn nobody_there_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let error = fetch(&format!("http://{at}/secret-path"), LIMITS).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(_)), "{error}");
    assert!(!error.to_string().contains("secret-path"), "{error}");
}

#[tokio::test]
async fn strangers_addresses_reach_public_ones_only() {
    let at = server(vec![OK], false).await;
    let limits = FetchLimits { egress: Egress::Public, ..LIMITS };
    let port = at.port();
    for url in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ] {
        let result = fetch(&url, limits).await;
        assert!(matches!(result, Err(FetchError::Refused(_))), "{url}: {result:?}");
    }
    // The same address is fine when the operator configured it.
    assert!(fetch(&format!("http://localhost:{port}/"), LIMITS).await.is_ok());
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for url in ["ftp://127.0.0.1/", "/only/a/path"] {
        assert!(matches!(fetch(url, LIMITS).await, Err(FetchError::Refused(_))), "{url}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    use frontdesk_stand_ins::fake_ai::{FakeAi, Options};
    let ai = FakeAi::start(Options::default()).await.unwrap();
    let client = ReqwestClient::new().unwrap();
    for _ in 0..5 {
        let request = http::Request::get(format!("{}/models", ai.base_url)).body(Bytes::new()).unwrap();
        let limits = FetchLimits { max_bytes: 10_000, ..LIMITS };
        let mut body = client.send(request, limits).await.unwrap().into_body();
        while let Some(bytes) = body.next().await {
            bytes.unwrap();
        }
    }
    assert_eq!(ai.counts().connections, 1);
}
