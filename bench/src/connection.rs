//! One HTTP/1.1 connection on loopback, opened before anything is timed.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use eventsource_stream::{Event, Eventsource as _};
use futures_util::{Stream, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyDataStream, BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long any answer may take.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A connection that carries one request at a time.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects to `http://HOST:PORT`, with or without a path behind it.
    pub async fn open(base_url: &str) -> Result<Self> {
        let rest =
            base_url.strip_prefix("http://").with_context(|| format!("no http address: {base_url}"))?;
        let authority = rest.split('/').next().unwrap_or(rest).to_owned();
        let socket = TcpStream::connect(&authority).await.with_context(|| authority.clone())?;
        socket.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        // Its end is seen by whoever sends or reads next.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, authority })
    }

    /// A request with a JSON body; `token` is a bearer token.
    pub fn request(&self, method: Method, path: &str, token: &str, accept: &str) -> http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.authority)
            .header("content-type", "application/json")
            .header("accept", accept);
        if token.is_empty() { request } else { request.header("authorization", format!("Bearer {token}")) }
    }

    /// Sends, and waits for the head of the response.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// Sends and reads JSON; any status but `expected` is an error with the server's own words.
    pub async fn json(&mut self, request: Request<Full<Bytes>>, expected: StatusCode) -> Result<Value> {
        Ok(serde_json::from_slice(&self.answer(request, expected).await?)?)
    }

    /// Sends and reads the body; any status but `expected` is an error with the server's own words.
    pub async fn answer(&mut self, request: Request<Full<Bytes>>, expected: StatusCode) -> Result<Bytes> {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = async {
            let response = self.send(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            ensure!(status == expected, "{status}: {}", String::from_utf8_lossy(&body));
            anyhow::Ok(body)
        };
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(result) => result.context(what),
            Err(_) => bail!("{what}: no answer within {} s", DEADLINE.as_secs()),
        }
    }

    /// Posts JSON and reads JSON.
    pub async fn post(
        &mut self,
        path: &str,
        token: &str,
        body: &Value,
        expected: StatusCode,
    ) -> Result<Value> {
        let request = self.request(Method::POST, path, token, "application/json").body(json(body))?;
        self.json(request, expected).await
    }
}

/// A body.
pub fn json(value: &Value) -> Full<Bytes> {
    Full::from(value.to_string())
}

/// No body.
pub fn empty() -> Full<Bytes> {
    Full::default()
}

/// The events of a response.
pub fn events(response: Response<Incoming>) -> impl Stream<Item = Result<Event>> + Unpin {
    BodyDataStream::new(response.into_body()).eventsource().map(|event| Ok(event?))
}
