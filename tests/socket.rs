//! A client's end of a WebSocket.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Request};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::client::Caller;

/// How long a host may take for one frame.
const DEADLINE: Duration = Duration::from_secs(60);

/// An open socket. Dropped, it is cut without a word.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

/// How a handshake ended.
#[derive(Debug)]
pub enum Handshake {
    /// Well; with the chosen subprotocol.
    Open(Box<Socket>, String),
    /// With this status and body.
    Refused(u16, Value),
}

/// The handshake for a socket of a conversation.
///
/// # Errors
/// When the address is none.
pub fn request(base: &str, conversation: &str, protocols: &str) -> Result<Request<()>> {
    let address = base.replacen("http", "ws", 1);
    let mut request =
        format!("{address}/api/v1/conversations/{conversation}/socket").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(protocols)?);
    Ok(request)
}

/// Asks for a socket.
///
/// # Errors
/// When the host does not answer.
pub async fn handshake(base: &str, request: Request<()>) -> Result<Handshake> {
    let url: Url = base.parse()?;
    let host = url.host_str().context("a host")?.trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, url.port_or_known_default().context("a port")?)).await?;
    stream.set_nodelay(true)?;
    match timeout(DEADLINE, client_async(request, stream)).await? {
        Ok((socket, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol").context("no subprotocol")?;
            Ok(Handshake::Open(Box::new(Socket(socket)), chosen.to_str()?.to_owned()))
        }
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body = serde_json::from_slice(body).unwrap_or(Value::Null);
            Ok(Handshake::Refused(response.status().as_u16(), body))
        }
        Err(error) => Err(error.into()),
    }
}

impl Socket {
    /// A socket of this caller, which has said nothing yet.
    ///
    /// # Errors
    /// When the host refuses or does not answer.
    pub async fn open(caller: &Caller, conversation: &str) -> Result<Self> {
        let protocols = format!("frontdesk.v1, fd.{}", caller.token);
        match handshake(&caller.base, request(&caller.base, conversation, &protocols)?).await? {
            Handshake::Open(socket, chosen) => {
                let socket = *socket;
                ensure!(chosen == "frontdesk.v1", "{chosen} was chosen");
                Ok(socket)
            }
            Handshake::Refused(status, body) => bail!("{status}: {body}"),
        }
    }

    /// A socket that has said `hello`; gives the welcome.
    ///
    /// # Errors
    /// When the host refuses or does not answer.
    pub async fn begin(caller: &Caller, conversation: &str, after: u64) -> Result<(Self, Value)> {
        let mut socket = Self::open(caller, conversation).await?;
        socket.say(&json!({ "t": "hello", "after": after })).await?;
        let welcome = socket.next().await?;
        ensure!(welcome["t"] == "welcome", "{welcome}");
        Ok((socket, welcome))
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn say(&mut self, frame: &Value) -> Result<()> {
        self.send(Message::text(frame.to_string())).await
    }

    /// Sends a message of any kind.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, message: Message) -> Result<()> {
        Ok(timeout(DEADLINE, self.0.send(message)).await??)
    }

    /// The next frame.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            let message = timeout(DEADLINE, self.0.next()).await?.context("the connection ended")??;
            match message {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Ping(_) | Message::Pong(_) => {}
                other => bail!("{other:?}"),
            }
        }
    }

    /// Frames up to such a one.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await?;
            let found = is_it(&frame);
            frames.push(frame);
            if found {
                return Ok(frames);
            }
        }
    }

    /// The code with which the host closes; frames before it are thrown away.
    ///
    /// # Errors
    /// When the connection ends without one.
    pub async fn closed(&mut self) -> Result<u16> {
        loop {
            let message = timeout(DEADLINE, self.0.next()).await?.context("the connection ended")??;
            if let Message::Close(close) = message {
                return Ok(close.context("a code")?.code.into());
            }
        }
    }
}
