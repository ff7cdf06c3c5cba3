//! A chat completion on the wire: whole, or as paced frames with the faults that were asked for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Options;
use super::answer::{answer, tokens, with_length};
use super::behaviour::Behaviour;
use super::embedding::fnv;
use super::record::{Ending, InFlight, Record};
use super::validate::{ChatAsked, count};

/// What is said, before it is put into frames.
pub(super) struct Said {
    model: String,
    id: String,
    tokens: Vec<String>,
    tool_call: Option<String>,
    finish: String,
    prompt_tokens: usize,
}

impl Said {
    /// The answer to what was asked; depends on nothing else.
    pub(super) fn new(asked: &ChatAsked, behaviour: &Behaviour, options: &Options) -> Self {
        let mut messages = asked.messages.clone();
        for (_, text) in &mut messages {
            *text = Behaviour::without_markers(text);
        }
        let mut text = behaviour.text.clone().unwrap_or_else(|| answer(&messages));
        if let Some(length) = behaviour.tokens.or(options.tokens) {
            text = with_length(&text, length);
        }
        let mut pieces: Vec<String> = tokens(&text).into_iter().map(str::to_owned).collect();
        let mut finish = "stop";
        if let Some(limit) = asked.max_tokens
            && pieces.len() > limit
        {
            pieces.truncate(limit);
            finish = "length";
        }
        if behaviour.tool_call.is_some() {
            pieces.clear();
            finish = "tool_calls";
        }
        let context: String = messages.into_iter().flat_map(|(role, text)| [role, text]).collect();
        Self {
            model: asked.model.clone(),
            id: format!("chatcmpl-{:016x}", fnv(context.as_bytes())),
            tokens: pieces,
            tool_call: behaviour.tool_call.clone(),
            finish: behaviour.finish.clone().unwrap_or_else(|| finish.to_owned()),
            prompt_tokens: asked.prompt_tokens,
        }
    }

    fn usage(&self) -> Value {
        let completion = self.tokens.len();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens.saturating_add(completion),
        })
    }

    fn tool_calls(&self, name: &str) -> Value {
        let id = format!("call_{:08x}", count(&self.id));
        json!([{"index": 0, "id": id, "type": "function", "function": {"name": name, "arguments": "{\"id\":7}"}}])
    }

    /// The answer in one piece.
    pub(super) fn whole(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.tokens.concat()});
        if let Some(name) = &self.tool_call {
            message = json!({"role": "assistant", "content": null, "tool_calls": self.tool_calls(name)});
        }
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish}],
            "usage": self.usage(),
        })
    }

    fn frame(&self, delta: &Value, finish: Option<&str>) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        })
    }
}

/// What happens next on the wire.
enum Step {
    /// Wait until so long after the head.
    Until(Duration),
    /// These bytes.
    Send(Bytes),
    /// Wait until an answer is released.
    Hold,
    /// The connection breaks.
    Cut,
}

/// Puts an answer into steps.
fn plan(said: &Said, asked: &ChatAsked, behaviour: &Behaviour, options: &Options) -> Vec<Step> {
    let mut steps = Steps { steps: Vec::new(), behaviour };
    let first = behaviour.first_token.map_or(options.first_token, Duration::from_millis);
    let per_second = behaviour.tokens_per_second.or(options.tokens_per_second).filter(|rate| *rate > 0.0);
    let pause = per_second.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(rate.recip()));
    let stall_at = behaviour.stall_at.unwrap_or(1);

    if behaviour.bom {
        steps.send(Bytes::from_static(b"\xEF\xBB\xBF"));
    }
    steps.frame(&said.frame(&json!({"role": "assistant", "content": "", "refusal": null}), None).to_string());
    steps.until(first);
    for position in 0..=said.tokens.len() {
        let at = Some(position);
        if behaviour.stall > 0 && position == stall_at {
            steps.until(due(first, pause, position).saturating_add(Duration::from_millis(behaviour.stall)));
        }
        if behaviour.hold == at {
            steps.steps.push(Step::Hold);
        }
        if behaviour.cut_after == at {
            steps.steps.push(Step::Cut);
            return steps.done();
        }
        if behaviour.end_after == at {
            return steps.done();
        }
        if behaviour.error_frame == at {
            steps
                .frame(r#"{"error":{"message":"The server had an error","type":"server_error","code":500}}"#);
            return steps.done();
        }
        if behaviour.garbage == at {
            steps.frame("{\"choices\": ~garbage");
        }
        let Some(token) = said.tokens.get(position) else { break };
        let stalled = if position >= stall_at { behaviour.stall } else { 0 };
        if position > 0 && (!pause.is_zero() || stalled > 0) {
            steps.until(due(first, pause, position).saturating_add(Duration::from_millis(stalled)));
        }
        if behaviour.comments {
            steps.send_text(": keep-alive\n\ndata:\n\n");
        }
        steps.frame(&said.frame(&json!({"content": token}), None).to_string());
    }
    if let Some(name) = &said.tool_call {
        steps.frame(&said.frame(&json!({"tool_calls": said.tool_calls(name)}), None).to_string());
    }
    if !behaviour.no_finish {
        steps.frame(&said.frame(&json!({}), Some(&said.finish)).to_string());
    }
    if asked.include_usage && !behaviour.no_usage {
        let mut frame = said.frame(&json!({}), None);
        if let Some(fields) = frame.as_object_mut() {
            fields.insert("choices".to_owned(), json!([]));
            fields.insert("usage".to_owned(), said.usage());
        }
        steps.frame(&frame.to_string());
    }
    if !behaviour.no_done {
        steps.frame("[DONE]");
    }
    steps.done()
}

/// When token `position` is due after the head.
fn due(first: Duration, pause: Duration, position: usize) -> Duration {
    first.saturating_add(pause.saturating_mul(u32::try_from(position).unwrap_or(u32::MAX)))
}

struct Steps<'a> {
    steps: Vec<Step>,
    behaviour: &'a Behaviour,
}

impl Steps<'_> {
    fn until(&mut self, after: Duration) {
        if !after.is_zero() {
            self.steps.push(Step::Until(after));
        }
    }

    fn frame(&mut self, data: &str) {
        self.send_text(&format!("data: {data}\n\n"));
    }

    fn send_text(&mut self, text: &str) {
        self.send(if self.behaviour.crlf { text.replace('\n', "\r\n") } else { text.to_owned() }.into());
    }

    fn send(&mut self, bytes: Bytes) {
        if self.behaviour.split {
            self.steps.extend(bytes.chunks(1).map(|byte| Step::Send(Bytes::copy_from_slice(byte))));
        } else {
            self.steps.push(Step::Send(bytes));
        }
    }

    fn done(self) -> Vec<Step> {
        let Some(mut room) = self.behaviour.cut_bytes else { return self.steps };
        let mut cut = Vec::new();
        for step in self.steps {
            match step {
                Step::Send(bytes) if bytes.len() > room => {
                    cut.push(Step::Send(bytes.slice(..room)));
                    break;
                }
                Step::Send(bytes) => {
                    room = room.saturating_sub(bytes.len());
                    cut.push(Step::Send(bytes));
                }
                other => cut.push(other),
            }
        }
        cut.push(Step::Cut);
        cut
    }
}

/// The body of a streamed answer. Times count from now; each step is due at a fixed one.
pub(super) fn stream(
    said: &Said,
    asked: &ChatAsked,
    behaviour: &Behaviour,
    options: &Options,
    record: Arc<Record>,
    n: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
    let split = behaviour.split;
    let steps = plan(said, asked, behaviour, options).into_iter();
    let state = (steps, InFlight::new(record, n), Instant::now());
    futures_util::stream::unfold(state, move |(mut steps, mut in_flight, start)| async move {
        loop {
            match steps.next() {
                None => {
                    in_flight.end(Ending::Sent);
                    return None;
                }
                Some(Step::Until(after)) => match start.checked_add(after) {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                },
                Some(Step::Send(bytes)) => {
                    if split {
                        // Lets the connection flush the byte before.
                        tokio::task::yield_now().await;
                    }
                    return Some((Ok(bytes), (steps, in_flight, start)));
                }
                Some(Step::Hold) => in_flight.held().await,
                Some(Step::Cut) => {
                    // What was sent before has to arrive.
                    tokio::task::yield_now().await;
                    in_flight.end(Ending::Cut);
                    return Some((
                        Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                        (Vec::new().into_iter(), in_flight, start),
                    ));
                }
            }
        }
    })
}
