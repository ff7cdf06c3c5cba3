//! A client: sessions, messages, and the events it has seen so far, checked as they come.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::{Stream, StreamExt};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a host tells when it answers (`--ready FILE`).
#[derive(Debug, Clone, Deserialize)]
pub struct Ready {
    /// Where it answers, without a slash at the end.
    pub base_url: String,
    /// The public key of its site.
    pub site_key: String,
    /// Who may log in.
    pub admin_email: String,
    /// With what.
    pub admin_password: String,
    /// Where tests reach its objects, if it has any.
    pub door: Option<String>,
    /// Its database, where that is a server.
    pub database_url: Option<String>,
    /// The process of that server.
    pub database_pid: Option<u32>,
}

/// A client without a pool that outlives the server.
///
/// # Errors
/// When it cannot be built.
pub fn http() -> Result<Client> {
    // A second call in the same process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder().no_proxy().pool_max_idle_per_host(0).build()?)
}

/// Looks again and again, with a moment in between, until there is something to see.
///
/// # Errors
/// When looking fails, or after two minutes of it.
pub async fn poll<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let mut again = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..6_000 {
        again.tick().await;
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
    }
    bail!("waited in vain: {what}")
}

/// Somebody who calls: a visitor or a user, with a token.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client.
    pub http: Client,
    /// The host's address.
    pub base: String,
    /// What is sent as `Authorization: Bearer`.
    pub token: String,
}

impl Caller {
    /// A new visitor.
    ///
    /// # Errors
    /// When the host refuses or does not answer.
    pub async fn visitor(host: &Ready) -> Result<Self> {
        let body = json!({ "site_key": host.site_key, "locale": "en" });
        Self::with_token_of(host, "/api/v1/widget/sessions", &body, "visitor_token").await
    }

    /// The administrator, logged in.
    ///
    /// # Errors
    /// When the host refuses or does not answer.
    pub async fn operator(host: &Ready) -> Result<Self> {
        let body = json!({ "email": host.admin_email, "password": host.admin_password });
        Self::with_token_of(host, "/api/v1/auth/login", &body, "access_token").await
    }

    async fn with_token_of(host: &Ready, path: &str, body: &Value, field: &str) -> Result<Self> {
        let (http, base) = (http()?, host.base_url.clone());
        let response = up(http.post(format!("{base}{path}")).json(body).send().await?)?;
        let status = response.status();
        ensure!(status.is_success(), "{path}: {status} {}", response.text().await?);
        let answer: Value = response.json().await?;
        let token = answer[field].as_str().context("a token")?.to_owned();
        Ok(Self { http, base, token })
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn post(&self, path: &str, body: &Value, accept: &str) -> Result<Response> {
        Ok(self.request(Method::POST, path).header("accept", accept).json(body).send().await?)
    }

    /// Reads.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn get(&self, path: &str, accept: &str) -> Result<Response> {
        Ok(self.request(Method::GET, path).header("accept", accept).send().await?)
    }

    /// Begins a conversation; gives its id.
    ///
    /// # Errors
    /// When the host refuses or does not answer.
    pub async fn begin(&self) -> Result<String> {
        let response = up(self.post("/api/v1/conversations", &json!({}), "application/json").await?)?;
        ensure!(response.status() == StatusCode::CREATED, "conversation: {}", response.text().await?);
        let conversation: Value = response.json().await?;
        Ok(conversation["id"].as_str().context("an id")?.to_owned())
    }

    /// Posts a message and reads the answer to its end.
    ///
    /// # Errors
    /// When the host refuses, or shows what the contract forbids.
    pub async fn ask(&self, conversation: &str, text: &str) -> Result<Seen> {
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let body = json!({ "client_id": format!("c-{}", text.len()), "text": text });
        let response = self.post(&path, &body, "text/event-stream").await?;
        ensure!(response.status() == StatusCode::OK, "message: {}", response.text().await?);
        let mut seen = Seen::default();
        let mut events = events(response);
        while let Some(event) = events.next().await {
            if seen.take(&event?)? {
                return Ok(seen);
            }
        }
        bail!("the stream was cut");
    }

    /// Every stored event, by JSON.
    ///
    /// # Errors
    /// When the host refuses or does not answer.
    pub async fn log(&self, conversation: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/conversations/{conversation}/events?after=0&limit=500");
        let response = self.get(&path, "application/json").await?.error_for_status()?;
        let body: Value = response.json().await?;
        Ok(body["events"].as_array().context("events")?.clone())
    }

    /// Waits until a document was read, well or not, and gives it.
    ///
    /// # Errors
    /// When it never is, or its status goes back.
    pub async fn document_read(&self, id: &str) -> Result<Value> {
        const STATUSES: [&str; 4] = ["queued", "processing", "ready", "failed"];
        let mut last = 0;
        poll("a document to be read", async || {
            let response = self.get(&format!("/api/v1/documents/{id}"), "application/json").await?;
            let document: Value = response.json().await?;
            let status = STATUSES.iter().position(|status| document["status"] == *status);
            let status = status.with_context(|| format!("no status: {document}"))?;
            ensure!(status >= last, "{} came after {}", document["status"], STATUSES[last]);
            last = status;
            Ok((status >= 2).then_some(document))
        })
        .await
    }
}

/// An answer of a gateway, or of a server that cannot reach what it needs yet, is an error of the connection.
///
/// # Errors
/// 502 and 503, and 500 that is no problem document: Frontdesk did not say that.
pub fn up(response: Response) -> Result<Response> {
    let down = match response.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => true,
        StatusCode::INTERNAL_SERVER_ERROR => {
            let kind = response.headers().get(CONTENT_TYPE);
            kind.is_none_or(|kind| kind != "application/problem+json")
        }
        _ => false,
    };
    Ok(if down { response.error_for_status()? } else { response })
}

/// The JSON objects of an event stream.
pub fn events(response: Response) -> impl Stream<Item = Result<Value>> + Unpin {
    events_within(response, usize::MAX)
}

/// The JSON objects of an event stream whose connection is cut after so many bytes, wherever that is.
pub fn events_within(response: Response, bytes: usize) -> impl Stream<Item = Result<Value>> + Unpin {
    let body = futures_util::stream::unfold((response, bytes), |(mut response, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = response.chunk().await.transpose()?.map(|mut piece| {
            piece.truncate(left);
            piece
        });
        let left = left - piece.as_ref().map_or(0, Bytes::len);
        Some((piece, (response, left)))
    });
    Box::pin(body.eventsource().map(|event| Ok(serde_json::from_str(&event?.data)?)))
}

/// What a client has seen of a conversation, over however many connections. Refuses what the contract forbids.
#[derive(Debug, Default, Clone)]
pub struct Seen {
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

impl Seen {
    /// A new connection begins: its first delta must carry the whole answer so far.
    pub const fn reconnected(&mut self) {
        self.fresh = true;
    }

    /// Takes the next event. Gives whether the stream is complete.
    ///
    /// # Errors
    /// When an event is missing, comes twice or in the wrong order, or a delta does not join the one before.
    pub fn take(&mut self, event: &Value) -> Result<bool> {
        let kind = event["kind"].as_str().context("a kind")?;
        if kind == "end" {
            return Ok(true);
        }
        if kind == "typing" || kind == "presence" {
            return Ok(false);
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
            let joins = known == turn && so_far.len() == offset;
            ensure!(joins, "a gap: {} bytes of {known}, then {event}", so_far.len());
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

    /// The last answer's text.
    #[must_use]
    pub fn answer(&self) -> &str {
        self.answers.last().and_then(|message| message["text"].as_str()).unwrap_or("")
    }

    /// How the last turn ended.
    #[must_use]
    pub fn outcome(&self) -> &str {
        self.finished.last().and_then(|turn| turn["outcome"].as_str()).unwrap_or("")
    }
}
