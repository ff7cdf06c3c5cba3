//! A visitor's client: sessions, messages, and the events it has seen so far, checked as they come.

use anyhow::{Context, Result, bail, ensure};
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::program::Ready;

/// A client without a pool that outlives the server.
pub fn http() -> Result<Client> {
    // A second call in the same process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().no_proxy().pool_max_idle_per_host(0).build()?)
}

/// A visitor.
#[derive(Clone)]
pub struct Visitor {
    pub http: Client,
    pub base: String,
    pub token: String,
}

impl Visitor {
    pub async fn new(ready: &Ready) -> Result<Self> {
        let http = http()?;
        let response = http
            .post(format!("{}/api/v1/widget/sessions", ready.base_url))
            .json(&json!({ "site_key": ready.site_key, "locale": "en" }))
            .send()
            .await?;
        ensure!(response.status() == StatusCode::CREATED, "session: {}", response.text().await?);
        let session: Value = response.json().await?;
        let token = session["visitor_token"].as_str().context("a token")?.to_owned();
        Ok(Self { http, base: ready.base_url.clone(), token })
    }

    pub async fn post(&self, path: &str, body: &Value, accept: &str) -> Result<Response> {
        let request = self.http.post(format!("{}{path}", self.base)).bearer_auth(&self.token);
        Ok(request.header("accept", accept).json(body).send().await?)
    }

    pub async fn get(&self, path: &str, accept: &str) -> Result<Response> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        Ok(request.header("accept", accept).send().await?)
    }

    pub async fn begin(&self) -> Result<String> {
        let response = self.post("/api/v1/conversations", &json!({}), "application/json").await?;
        ensure!(response.status() == StatusCode::CREATED, "conversation: {}", response.text().await?);
        let conversation: Value = response.json().await?;
        Ok(conversation["id"].as_str().context("an id")?.to_owned())
    }

    /// Posts a message and reads the answer to its end.
    pub async fn ask(&self, conversation: &str, text: &str) -> Result<Transcript> {
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let body = json!({ "client_id": format!("c-{}", text.len()), "text": text });
        let response = self.post(&path, &body, "text/event-stream").await?;
        ensure!(response.status() == StatusCode::OK, "message: {}", response.text().await?);
        let mut transcript = Transcript::default();
        let mut events = events(response);
        while let Some(event) = events.next().await {
            if transcript.take(&event?)? {
                return Ok(transcript);
            }
        }
        bail!("the stream was cut");
    }

    /// Every stored event, by JSON.
    pub async fn log(&self, conversation: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/conversations/{conversation}/events?after=0&limit=500");
        let body: Value = self.get(&path, "application/json").await?.json().await?;
        Ok(body["events"].as_array().context("events")?.clone())
    }
}

/// The JSON objects of an event stream.
pub fn events(response: Response) -> impl Stream<Item = Result<Value>> + Unpin {
    Box::pin(response.bytes_stream().eventsource().map(|event| Ok(serde_json::from_str(&event?.data)?)))
}

/// What a client has seen of a conversation, over however many connections. Refuses what the contract forbids.
#[derive(Debug, Default, Clone)]
pub struct Transcript {
    /// The last `seq` seen.
    pub last_seq: u64,
    /// The answer in progress: its turn and the text so far.
    pub partial: Option<(String, String)>,
    /// Messages of the AI.
    pub answers: Vec<Value>,
    /// Finished turns.
    pub finished: Vec<Value>,
    /// How often an answer that had begun was shown from its beginning again.
    pub replaced: usize,
    fresh: bool,
}

impl Transcript {
    /// A new connection begins: its first delta must carry the whole answer so far.
    pub fn reconnected(&mut self) {
        self.fresh = true;
    }

    /// Takes the next event. Gives whether the stream is complete.
    pub fn take(&mut self, event: &Value) -> Result<bool> {
        let kind = event["kind"].as_str().context("a kind")?;
        if kind == "end" {
            return Ok(true);
        }
        if kind == "turn.delta" {
            let turn = event["turn"].as_str().context("a turn")?;
            let offset = usize::try_from(event["offset"].as_u64().context("an offset")?)?;
            let text = event["text"].as_str().context("a text")?;
            if self.fresh {
                ensure!(offset == 0, "the first delta of a connection begins at {offset}");
                self.fresh = false;
            }
            if offset == 0 {
                if self.partial.is_some() {
                    self.replaced += 1;
                }
                self.partial = Some((turn.to_owned(), text.to_owned()));
                return Ok(false);
            }
            let (known, so_far) = self.partial.as_mut().context("a delta without a beginning")?;
            ensure!(known == turn && so_far.len() == offset, "a gap: {} then {offset}", so_far.len());
            so_far.push_str(text);
            return Ok(false);
        }
        let seq = event["seq"].as_u64().context("a seq")?;
        ensure!(seq == self.last_seq + 1, "seq {seq} after {}", self.last_seq);
        self.last_seq = seq;
        match kind {
            "message.created" if event["message"]["author"]["kind"] == "ai" => {
                self.answers.push(event["message"].clone());
            }
            "turn.finished" => self.finished.push(event.clone()),
            _ => {}
        }
        Ok(false)
    }

    pub fn answer(&self) -> &str {
        self.answers.last().and_then(|message| message["text"].as_str()).unwrap_or("")
    }

    pub fn outcome(&self) -> &str {
        self.finished.last().and_then(|turn| turn["outcome"].as_str()).unwrap_or("")
    }
}
