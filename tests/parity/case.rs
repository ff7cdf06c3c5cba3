//! One case: a host, its model, and the transcript of what is said.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use eventsource_stream::{Event, Eventsource};
use frontdesk_stand_ins::fake_ai::{Behaviour, Endpoint};
use frontdesk_tests::client::{Caller, Ready, http, poll};
use frontdesk_tests::model::Model;
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::transcript::Transcript;

/// How long a host may take for one answer, or for one event.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a variable says.
pub fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set; tests/parity/main.rs says what it is"))
}

/// The host under test.
pub fn host() -> Result<Ready> {
    let file = variable("FRONTDESK_READY")?;
    Ok(serde_json::from_str(&std::fs::read_to_string(&file).context(file)?)?)
}

/// The model that the host asks.
pub fn model() -> Result<Model> {
    Model::at(&variable("FRONTDESK_MODEL_URL")?)
}

/// One case.
pub struct Case {
    pub host: Ready,
    pub model: Model,
    http: Client,
    transcript: Transcript,
}

/// What a host answered.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `Null` when there is none, or none that is JSON.
    pub body: Value,
}

impl Answer {
    /// A text in the body, by its JSON pointer.
    pub fn text(&self, pointer: &str) -> Result<String> {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        Ok(text.with_context(|| format!("no text at {pointer}: {}", self.body))?.to_owned())
    }
}

impl Case {
    /// A case with a model that nobody told anything.
    pub async fn begin() -> Result<Self> {
        let case = Self { host: host()?, model: model()?, http: http()?, transcript: Transcript::default() };
        case.model.reset().await?;
        Ok(case)
    }

    /// What the next requests are about.
    pub fn title(&mut self, title: &str) {
        self.transcript.title(title);
    }

    /// A new visitor, not in the transcript.
    pub async fn visitor(&mut self, name: &'static str) -> Result<Caller> {
        let visitor = Caller::visitor(&self.host).await?;
        Ok(self.named(visitor, name))
    }

    /// The administrator, not in the transcript.
    pub async fn operator(&mut self) -> Result<Caller> {
        let operator = Caller::operator(&self.host).await?;
        Ok(self.named(operator, "operator"))
    }

    /// Somebody with this token.
    pub fn with_token(&mut self, token: &str, name: &'static str) -> Caller {
        let (http, base) = (self.http.clone(), self.host.base_url.clone());
        self.named(Caller { http, base, token: token.to_owned() }, name)
    }

    fn named(&mut self, caller: Caller, name: &'static str) -> Caller {
        self.transcript.name(&caller.token, name);
        caller
    }

    /// A request of nobody in particular.
    pub fn public(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.host.base_url))
    }

    /// Sends a request and writes down everything; another status than this one fails the case.
    pub async fn send(&mut self, request: RequestBuilder, status: u16) -> Result<Answer> {
        let answer = self.exchange(request).await?;
        ensure!(answer.status == status, "{} instead of {status}: {}", answer.status, answer.body);
        Ok(answer)
    }

    /// Sends it again and again until it is answered with this status; writes down the last attempt alone.
    pub async fn send_until(&mut self, request: impl Fn() -> RequestBuilder, status: u16) -> Result<()> {
        const ATTEMPTS: usize = 300;
        for _ in 0..ATTEMPTS {
            let before = self.transcript.mark();
            if self.exchange(request()).await?.status == status {
                return Ok(());
            }
            self.transcript.back_to(before);
        }
        bail!("{ATTEMPTS} attempts and never {status}")
    }

    async fn exchange(&mut self, request: RequestBuilder) -> Result<Answer> {
        let response = self.head(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = timeout(DEADLINE, response.text()).await??;
        self.transcript.body(&text);
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        check_problem(status, &headers, &body)?;
        Ok(Answer { status, headers, body })
    }

    async fn head(&mut self, request: RequestBuilder) -> Result<Response> {
        let (client, request) = request.build_split();
        let request = request?;
        self.transcript.request(&request);
        let what = format!("{} {}", request.method(), request.url().path());
        let response =
            timeout(DEADLINE, client.execute(request)).await.context(what.clone())?.context(what)?;
        self.transcript.head(response.status(), response.headers());
        Ok(response)
    }

    /// Opens an event stream; [`Case::close`] writes down what it brought.
    pub async fn open(&mut self, request: RequestBuilder) -> Result<Events> {
        let response = self.head(request.header("accept", "text/event-stream")).await?;
        let status = response.status().as_u16();
        if status != 200 {
            bail!("{status}: {}", response.text().await?);
        }
        let source = response.bytes_stream().eventsource().map(|event| Ok(event?));
        Ok(Events { source: Box::pin(source), seen: Vec::new(), complete: false })
    }

    /// Writes down what a stream brought. The client goes, if the stream is not at its end.
    pub fn close(&mut self, events: Events) -> Result<()> {
        let Events { source, seen, complete } = events;
        drop(source);
        self.transcript.frames(&seen, complete)
    }

    /// How the model treats the next questions, one after the other: `hold=0,cut-after=5`.
    pub async fn script(&self, behaviours: &[&str]) -> Result<()> {
        let script: Result<Vec<_>, String> = behaviours
            .iter()
            .map(|text| Ok(Behaviour { on: Endpoint::Chat, ..Behaviour::parse(text)? }))
            .collect();
        self.model.script(&script.map_err(anyhow::Error::msg)?).await
    }

    /// Posts a message and writes down its stream to the end. The script's first behaviour holds the model, so that no
    /// word is lost before the client listens.
    pub async fn streamed(&mut self, request: RequestBuilder, script: &[&str]) -> Result<()> {
        self.script(script).await?;
        let mut events = self.open(request).await?;
        events.until_kind("turn.started").await?;
        self.model.release().await?;
        events.read_to_end().await?;
        self.close(events)
    }

    /// Waits until so many turns are over; gives the log. Not in the transcript.
    pub async fn answered(&self, caller: &Caller, conversation: &str, turns: usize) -> Result<Vec<Value>> {
        poll("an answer", async || {
            let log = caller.log(conversation).await?;
            let over = log.iter().filter(|event| event["kind"] == "turn.finished").count();
            Ok((over >= turns).then_some(log))
        })
        .await
    }

    /// Compares the transcript with the one of this name.
    pub fn end(self, name: &str) -> Result<()> {
        let text = self.transcript.finish(&self.host);
        if let Ok(directory) = std::env::var("FRONTDESK_TRANSCRIPTS") {
            std::fs::create_dir_all(&directory)?;
            std::fs::write(PathBuf::from(directory).join(format!("{name}.txt")), &text)?;
        }
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_snapshot_path("transcripts");
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, text));
        Ok(())
    }
}

/// Errors are problem documents; each names its own request.
fn check_problem(status: u16, headers: &HeaderMap, body: &Value) -> Result<()> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let id = header("x-request-id");
    ensure!(id.starts_with("req_"), "x-request-id: {id}");
    if status >= 400 && header("content-type") == "application/problem+json" {
        ensure!(body["status"] == status, "{body}");
        ensure!(body["request_id"] == id, "{body} has {id} in its header");
    }
    Ok(())
}

/// An event stream that is being read.
pub struct Events {
    source: Pin<Box<dyn Stream<Item = Result<Event>>>>,
    seen: Vec<Event>,
    complete: bool,
}

impl Events {
    /// Reads until the last event is such a one; gives it.
    pub async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let next =
                timeout(DEADLINE, self.source.next()).await.with_context(|| format!("until {what}"))?;
            let Some(event) = next else { bail!("the stream ended before {what}") };
            let event = event?;
            let value: Value = serde_json::from_str(&event.data)?;
            self.seen.push(event);
            if is_it(&value) {
                return Ok(value);
            }
        }
    }

    /// Reads until the first event of this kind.
    pub async fn until_kind(&mut self, kind: &str) -> Result<Value> {
        self.until(kind, |event| event["kind"] == kind).await
    }

    /// Reads to the end, which must be told.
    pub async fn read_to_end(&mut self) -> Result<()> {
        self.until_kind("end").await?;
        ensure!(timeout(DEADLINE, self.source.next()).await?.is_none(), "more after the end");
        self.complete = true;
        Ok(())
    }
}

/// A request with JSON.
pub fn post(caller: &Caller, path: &str, body: &Value) -> RequestBuilder {
    caller.request(Method::POST, path).json(body)
}

/// A request without a body.
pub fn get(caller: &Caller, path: &str) -> RequestBuilder {
    caller.request(Method::GET, path)
}

/// A change, made on top of a version or an epoch.
pub fn patch(caller: &Caller, path: &str, if_match: u64, body: &Value) -> RequestBuilder {
    caller.request(Method::PATCH, path).header("if-match", format!("\"{if_match}\"")).json(body)
}

/// A request with one file.
pub fn upload(caller: &Caller, path: &str, name: &str, content: &[u8]) -> RequestBuilder {
    multipart(caller, path, &[("file", name, content)])
}

/// A request with parts: field, file name, content. Its border is always the same.
pub fn multipart(caller: &Caller, path: &str, parts: &[(&str, &str, &[u8])]) -> RequestBuilder {
    let mut body = Vec::new();
    for (field, name, content) in parts {
        let head = format!("Content-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"");
        body.extend_from_slice(format!("--border\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--border--\r\n");
    caller.request(Method::POST, path).header(CONTENT_TYPE, "multipart/form-data; boundary=border").body(body)
}

/// The path of a conversation's messages.
pub fn messages(conversation: &str) -> String {
    format!("/api/v1/conversations/{conversation}/messages")
}

/// The path of a conversation's events.
pub fn events(conversation: &str, query: &str) -> String {
    format!("/api/v1/conversations/{conversation}/events?{query}")
}

/// A message.
pub fn message(client_id: &str, text: &str) -> Value {
    json!({ "client_id": client_id, "text": text })
}
