//! Hearing one answer to its end, directly or through Frontdesk, and checking that it is whole.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use std::time::Instant;

use crate::connection::{Connection, events, json as body};
use crate::server::{number, text};

/// A piece of text came.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Bytes of text so far, this piece included.
    pub bytes: usize,
    /// Milliseconds since the request was sent.
    pub at: f64,
}

/// One answer.
#[derive(Debug, Default)]
pub struct Heard {
    /// Which question.
    pub question: usize,
    /// Its pieces; there is at least one.
    pub marks: Vec<Mark>,
    /// The whole.
    pub text: String,
}

impl Heard {
    fn piece(&mut self, piece: &str, at: f64) {
        self.text.push_str(piece);
        self.marks.push(Mark { bytes: self.text.len(), at });
    }

    /// When the first text came.
    pub fn first(&self) -> f64 {
        self.marks.first().map_or(0.0, |mark| mark.at)
    }

    /// When so many bytes of text were there.
    pub fn reached(&self, bytes: usize) -> Option<f64> {
        self.marks.iter().find(|mark| mark.bytes >= bytes).map(|mark| mark.at)
    }
}

fn since(sent: Instant) -> f64 {
    sent.elapsed().as_secs_f64() * 1000.0
}

async fn answered(
    connection: &mut Connection,
    request: http::Request<Full<Bytes>>,
) -> Result<http::Response<hyper::body::Incoming>> {
    let response = connection.send(request).await?;
    let status = response.status();
    if status != StatusCode::OK {
        let said = response.into_body().collect().await?.to_bytes();
        bail!("{status}: {}", String::from_utf8_lossy(&said));
    }
    Ok(response)
}

/// Asks the stand-in itself.
pub async fn model(connection: &mut Connection, request: &Bytes) -> Result<Heard> {
    let request = connection
        .request(Method::POST, "/v1/chat/completions", "bench", "text/event-stream")
        .body(Full::from(request.clone()))?;
    let mut heard = Heard::default();
    let sent = Instant::now();
    let mut events = events(answered(connection, request).await?);
    let mut done = false;
    while let Some(event) = events.next().await {
        let (event, at) = (event?, since(sent));
        if event.data == "[DONE]" {
            done = true;
            continue;
        }
        let frame: Value = serde_json::from_str(&event.data)?;
        match frame.pointer("/choices/0/delta/content").and_then(Value::as_str) {
            None | Some("") => {}
            Some(piece) => heard.piece(piece, at),
        }
    }
    ensure!(done && !heard.marks.is_empty(), "the stand-in's stream was cut");
    Ok(heard)
}

/// Asks Frontdesk, and checks what the protocol promises: `seq` without a gap, every piece at its offset, and the pieces
/// together exactly the message that is stored.
pub async fn turn(
    connection: &mut Connection,
    token: &str,
    conversation: &str,
    client_id: &str,
    question: &str,
) -> Result<Heard> {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let message = json!({ "client_id": client_id, "text": question });
    let request = connection.request(Method::POST, &path, token, "text/event-stream").body(body(&message))?;
    let mut heard = Heard::default();
    let (mut seq, mut stored, mut outcome, mut ended) = (None, None, String::new(), false);
    let sent = Instant::now();
    let mut events = events(answered(connection, request).await?);
    while let Some(event) = events.next().await {
        let (event, at) = (event?, since(sent));
        let event: Value = serde_json::from_str(&event.data)?;
        match event.pointer("/kind").and_then(Value::as_str).context("an event without a kind")? {
            "end" => {
                ended = true;
                continue;
            }
            "turn.delta" => {
                let offset = number(&event, "/offset")?;
                let known = u64::try_from(heard.text.len())?;
                ensure!(offset == known, "a piece at {offset} after {known} bytes");
                heard.piece(event.pointer("/text").and_then(Value::as_str).context("no text")?, at);
                continue;
            }
            "message.created"
                if event.pointer("/message/author/kind").and_then(Value::as_str) == Some("ai") =>
            {
                stored = Some(text(&event, "/message/text")?);
            }
            "turn.finished" => outcome = text(&event, "/outcome")?,
            _ => {}
        }
        let next = number(&event, "/seq")?;
        ensure!(seq.is_none_or(|seq: u64| seq.checked_add(1) == Some(next)), "seq {next} after {seq:?}");
        seq = Some(next);
    }
    ensure!(ended, "the stream was cut after seq {seq:?}");
    ensure!(outcome == "answered", "the outcome is {outcome:?}");
    ensure!(stored.as_ref() == Some(&heard.text), "the pieces are {:?}, stored is {stored:?}", heard.text);
    ensure!(!heard.marks.is_empty(), "an answer without text");
    Ok(heard)
}
