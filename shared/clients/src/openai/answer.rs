//! What a chat completion says, read from bytes as they arrive. Knows no clock and no connection.
//!
//! Servers differ: fields may be missing, `null`, unknown or of another type, usage may come with every frame or never,
//! the last `[DONE]` may be missing, and a server that knows no streaming answers with one JSON object. So each field is
//! looked at on its own: one that is of no use takes nothing else with it.

mod deltas;

use frontdesk_domain::answer::Usage;
use frontdesk_domain::speech::{self, Speech, Spoken};
use serde_json::{Map, Value};

use super::error::ModelError;
use super::frames::{FramePiece, FrameTooLong, Frames, MAX_FRAME};
use super::report::Report;
use super::words;
use deltas::Deltas;

/// The longest text of an answer, tool arguments included, in bytes.
pub const MAX_ANSWER: usize = 1024 * 1024;
/// The most tool calls in an answer.
pub const MAX_TOOL_CALLS: usize = 64;

/// Why the answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// It is complete.
    Stop,
    /// The token limit cut it.
    Length,
    /// The model wants tools to be called.
    ToolCalls,
    /// The provider gave up in the middle.
    Interrupted(String),
    /// Another word of the provider, or none at all before `[DONE]`.
    Other(String),
}

/// What happens in an answer, in this order: text, then tool calls, usage, the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// The next piece of text, never empty. Thoughts, special tokens and the like are none.
    Text(String),
    /// What was given before was no answer: it is to be withdrawn.
    Anew,
    /// A tool is to be called; complete.
    ToolCall {
        /// The id that the result has to name; made from the position when the provider gave none.
        id: String,
        /// The tool.
        name: String,
        /// Its arguments: JSON as the model wrote it, unchecked.
        arguments: String,
    },
    /// What the answer used; at most once.
    Usage(Usage),
    /// The end; nothing follows.
    Finished {
        /// Why.
        reason: FinishReason,
    },
}

#[derive(Debug, Default)]
struct ToolCall {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

/// Reads one answer.
pub(super) struct AnswerReader {
    frames: Frames,
    model: String,
    size: usize,
    deltas: Deltas,
    speech: Speech,
    thinks_first: bool,
    given: bool,
    tool_calls: Vec<ToolCall>,
    usage: Option<Usage>,
    reason: Option<FinishReason>,
    /// A reason came with text, and more text came after it: it comes with every piece, and says nothing.
    reason_says_nothing: bool,
    /// There was a reason, whatever came after it.
    ended_before: bool,
    refusal: String,
    thought: bool,
    done: bool,
    /// What came that is no part of an answer.
    stray: Option<String>,
}

impl AnswerReader {
    /// An answer of `model`, nothing of it read yet. `thinks_first`: it begins with thoughts that nothing marks.
    pub(super) fn new(model: &str, thinks_first: bool) -> Self {
        Self {
            frames: Frames::default(),
            model: model.to_owned(),
            size: 0,
            deltas: Deltas::default(),
            speech: Speech::new(thinks_first),
            thinks_first,
            given: false,
            tool_calls: Vec::new(),
            usage: None,
            reason: None,
            reason_says_nothing: false,
            ended_before: false,
            refusal: String::new(),
            thought: false,
            done: false,
            stray: None,
        }
    }

    /// The provider said why it ended; what may follow is usage and `[DONE]`. Before any text that is no end.
    pub(super) const fn is_finished(&self) -> bool {
        self.reason.is_some()
            && !self.reason_says_nothing
            && (self.deltas.began() || !self.tool_calls.is_empty())
    }

    /// `[DONE]` was read; nothing more is of interest.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Size of what was said, thoughts and tool calls included: grows with every sign of life and with nothing else.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Whether the model thought before it answered.
    pub(super) const fn thought(&self) -> bool {
        self.thought || self.speech.thought()
    }

    /// Whether it did so without marking the beginning.
    pub(super) const fn thinks_first(&self) -> bool {
        self.speech.thinks_first()
    }

    /// Takes the next bytes; gives the text in them. The other events come from [`AnswerReader::end`].
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        let mut pieces = Vec::new();
        let pushed = self.frames.push(bytes, |piece| pieces.push(piece)).map_err(too_long);
        for piece in pieces {
            self.piece(piece, out)?;
        }
        pushed
    }

    /// The body ended; gives what is left.
    ///
    /// # Errors
    /// [`ModelError::Cut`] when the provider had not said that it was the end, [`ModelError::Empty`] when it had, and
    /// there is nothing to show.
    pub(super) fn end(&mut self, out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        let mut pieces = Vec::new();
        // Half a frame at the end of a cut answer is not worth an error of its own.
        let _ = self.frames.finish(|piece| pieces.push(piece));
        for piece in pieces {
            match piece {
                FramePiece::Data(data) if !is_json(&data) => self.cut_frame(&data)?,
                piece => self.piece(piece, out)?,
            }
        }
        if self.reason.is_none() && !self.done && !self.ended_before {
            return Err(match self.stray.take() {
                Some(stray) if !self.deltas.began() => bad(&stray),
                _ => ModelError::Cut,
            });
        }
        let rest = self.deltas.finish();
        let spoken = self.speech.push(&rest);
        self.speak(spoken, out);
        let unfinished = !matches!(self.reason, None | Some(FinishReason::Stop));
        if !(unfinished && self.thinks_first) {
            let spoken = self.speech.finish();
            self.speak(spoken, out);
        }
        let mut calls = std::mem::take(&mut self.tool_calls);
        calls.retain(|call| !call.name.is_empty());
        let reason = self.reason.take().unwrap_or_else(|| FinishReason::Other(String::new()));
        if !self.given && calls.is_empty() {
            return Err(self.empty(&reason));
        }
        for (position, call) in calls.into_iter().enumerate() {
            let id = if call.id.is_empty() { format!("call_{position}") } else { call.id };
            out(ChatEvent::ToolCall { id, name: call.name, arguments: call.arguments });
        }
        if let Some(usage) = self.usage.take() {
            out(ChatEvent::Usage(usage));
        }
        out(ChatEvent::Finished { reason });
        Ok(())
    }

    fn empty(&self, reason: &FinishReason) -> ModelError {
        if !self.refusal.is_empty() {
            return ModelError::ContentFilter(format!(
                "the model declines: {}",
                words::masked(&self.refusal)
            ));
        }
        let length = *reason == FinishReason::Length;
        let mut detail = if self.speech.called() {
            "a call of a tool that does not exist"
        } else if self.thought() {
            "thoughts alone"
        } else {
            "nothing"
        }
        .to_owned();
        if length {
            detail.push_str(", up to the limit of tokens");
        }
        if let FinishReason::Interrupted(word) | FinishReason::Other(word) = reason
            && !word.is_empty()
        {
            detail = format!("{detail}, ended by {}", words::masked(word));
        }
        if let Some(stray) = &self.stray {
            detail = format!("{detail}; {stray}");
        }
        ModelError::Empty { detail, length }
    }

    /// The last piece of a body, which is no whole JSON.
    fn cut_frame(&mut self, data: &str) -> Result<(), ModelError> {
        let data = data.trim();
        if data.starts_with(['{', '[']) {
            let cut = serde_json::from_str::<serde::de::IgnoredAny>(data).is_err_and(|error| error.is_eof());
            return if cut { Ok(()) } else { Err(bad("neither a stream nor JSON")) };
        }
        self.noise(data)
    }

    fn piece(&mut self, piece: FramePiece, out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        match piece {
            FramePiece::Data(data) => self.frame(&data, out),
            FramePiece::Error(data) => {
                let value = serde_json::from_str(&data).unwrap_or(Value::String(data));
                Err(ModelError::from_frame(&value)
                    .unwrap_or_else(|| ModelError::from_report(&Report::of(&value))))
            }
            FramePiece::Stray(line) => {
                if line.trim_start().starts_with('<') && !self.deltas.began() && self.stray.is_none() {
                    return Err(ModelError::BadResponse(format!(
                        "instead of an answer {}",
                        words::masked(&words::of_page(&line))
                    )));
                }
                self.stray.get_or_insert_with(|| words::masked(&line));
                Ok(())
            }
        }
    }

    fn frame(&mut self, data: &str, out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        let data = data.trim();
        if data == "[DONE]" {
            self.done = true;
        }
        if self.done {
            return Ok(());
        }
        let mended;
        let mut frames = objects(data);
        if frames.is_err() && data.contains("\\u") {
            mended = whole_letters(data);
            frames = objects(&mended);
        }
        match frames {
            Ok(frames) => frames.into_iter().try_for_each(|frame| self.chunk(&frame, 0, out)),
            Err(rest) => self.noise(rest),
        }
    }

    /// A frame that is no JSON: a sign of life, an error in words, or a piece of the answer that is lost.
    fn noise(&mut self, data: &str) -> Result<(), ModelError> {
        if data.starts_with('{') || data.starts_with("[{") {
            return Err(bad("a frame that is no JSON"));
        }
        let lower = data.to_ascii_lowercase();
        const TROUBLE: &[&str] = &[
            "error",
            "exception",
            "timeout",
            "timed out",
            "failed",
            "unavailable",
            "overloaded",
            "denied",
            "refused",
            "reset",
        ];
        if TROUBLE.iter().any(|word| lower.contains(word)) {
            return Err(ModelError::from_report(&Report::of(&Value::String(data.to_owned()))));
        }
        self.stray.get_or_insert_with(|| words::masked(data));
        Ok(())
    }

    fn chunk(
        &mut self,
        frame: &Value,
        depth: u32,
        out: &mut impl FnMut(ChatEvent),
    ) -> Result<(), ModelError> {
        let chunk = match frame {
            Value::Object(chunk) => chunk,
            Value::Array(items) if depth < 2 => {
                return items.iter().try_for_each(|item| self.chunk(item, depth.saturating_add(1), out));
            }
            _ => return Ok(()),
        };
        if let Some(error) = ModelError::from_frame(frame) {
            return Err(error);
        }
        if let Some(model) =
            chunk.get("model").and_then(Value::as_str).filter(|model| !model.is_empty() && model.len() <= 200)
        {
            self.model = model.to_owned();
        }
        let choice = chunk.get("choices").and_then(Value::as_array).and_then(|choices| first(choices));
        let usage = [chunk.get("usage"), choice.and_then(|choice| choice.get("usage"))];
        if let Some(usage) = usage.into_iter().flatten().find_map(|usage| self.counted(usage)) {
            self.usage = Some(usage);
        }
        match choice {
            Some(choice) => self.choice(choice, out),
            None => {
                let is_known = ["choices", "usage", "type", "prompt_filter_results"]
                    .iter()
                    .any(|name| chunk.contains_key(*name));
                if !is_known {
                    self.stray.get_or_insert_with(|| "an object that is no answer".to_owned());
                }
                Ok(())
            }
        }
    }

    fn counted(&self, usage: &Value) -> Option<Usage> {
        let prompt_tokens = tokens(usage.get("prompt_tokens").or_else(|| usage.get("input_tokens"))?)?;
        let completion = usage.get("completion_tokens").or_else(|| usage.get("output_tokens"));
        let completion_tokens = completion.and_then(tokens).unwrap_or_default();
        Some(Usage { model: self.model.clone(), prompt_tokens, completion_tokens, estimated: false })
    }

    fn choice(
        &mut self,
        choice: &Map<String, Value>,
        out: &mut impl FnMut(ChatEvent),
    ) -> Result<(), ModelError> {
        let delta = choice.get("delta").filter(|delta| !delta.is_null());
        let message = delta.or_else(|| choice.get("message"));
        let is_whole = delta.is_none() && message.is_some();
        let content = match message {
            Some(text @ Value::String(_)) => Some(text),
            Some(message) => message.get("content").filter(|content| !content.is_null()),
            None => None,
        };
        let reason = finish_reason(choice);
        self.ended_before |= reason.is_some();
        if let Some(text) = content
            .or_else(|| choice.get("text"))
            .map(|content| self.text_of(content))
            .filter(|text| !text.is_empty())
        {
            // What came after a reason was not known to come.
            self.reason_says_nothing |= self.reason.take().is_some() && reason.is_some();
            let text = if is_whole { self.deltas.whole(text) } else { self.deltas.next(text) };
            // A piece costs something, too; some send all of the text with each.
            self.grow(text.len().max(1))?;
            let spoken = self.speech.push(&text);
            self.speak(spoken, out);
        }
        if let Some(message) = message {
            self.thoughts(message)?;
            if let Some(refusal) = message.get("refusal").and_then(Value::as_str) {
                self.grow(refusal.len())?;
                self.refusal.push_str(refusal);
            }
            match message.get("tool_calls") {
                Some(Value::Array(calls)) => calls.iter().try_for_each(|call| self.tool_call(call))?,
                Some(call @ Value::Object(fields)) if !fields.is_empty() => self.tool_call(call)?,
                _ => {}
            }
        }
        match reason.as_deref() {
            None => {}
            Some(word) => self.reason = Some(meaning(word)?),
        }
        Ok(())
    }

    /// The text of a content: a text, a list of parts (Mistral's reasoning models), or one part.
    fn text_of(&mut self, content: &Value) -> String {
        match content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts.iter().map(|part| self.text_of(part)).collect(),
            Value::Object(part) => {
                if let Some(ids) = part.get("reference_ids").and_then(Value::as_array) {
                    return ids
                        .iter()
                        .filter_map(Value::as_u64)
                        .take(8)
                        .map(|id| format!("[{id}]"))
                        .collect();
                }
                if part.contains_key("thinking") {
                    self.thought = true;
                    self.size = self.size.saturating_add(1);
                }
                part.get("text").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            _ => String::new(),
        }
    }

    /// Thoughts in fields of their own: signs of life.
    fn thoughts(&mut self, message: &Value) -> Result<(), ModelError> {
        for name in ["reasoning_content", "reasoning", "thinking", "reasoning_details"] {
            let length = match message.get(name) {
                Some(Value::String(text)) => text.len(),
                Some(Value::Array(parts)) => parts.len(),
                _ => 0,
            };
            if length > 0 {
                self.thought = true;
                return self.grow(length);
            }
        }
        Ok(())
    }

    fn speak(&mut self, spoken: Spoken, out: &mut impl FnMut(ChatEvent)) {
        if spoken.anew && std::mem::take(&mut self.given) {
            out(ChatEvent::Anew);
        }
        if !spoken.text.is_empty() {
            self.given = true;
            out(ChatEvent::Text(spoken.text));
        }
    }

    fn tool_call(&mut self, delta: &Value) -> Result<(), ModelError> {
        let text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        let function = delta.get("function");
        let id = delta.get("id").and_then(Value::as_str).filter(|id| !id.is_empty()).map(str::to_owned);
        let index = delta.get("index").and_then(Value::as_u64);
        let name = text(function.and_then(|function| function.get("name")));
        let arguments = text(function.and_then(|function| function.get("arguments")));
        // At least 1, so that an empty piece counts as a sign of life too.
        self.grow(name.len().saturating_add(arguments.len()).saturating_add(1))?;
        // Pieces belong together by index; servers that send none repeat the id or simply go on with the last call.
        let known = match (index, &id) {
            (Some(index), _) => self.tool_calls.iter().position(|call| call.index == Some(index)),
            (None, Some(id)) => self.tool_calls.iter().position(|call| call.id == *id),
            (None, None) => self.tool_calls.len().checked_sub(1),
        };
        if known.is_none() {
            if self.tool_calls.len() >= MAX_TOOL_CALLS {
                return Err(bad("too many tool calls"));
            }
            self.tool_calls.push(ToolCall { index, ..ToolCall::default() });
        }
        let position = known.unwrap_or(self.tool_calls.len().saturating_sub(1));
        let Some(call) = self.tool_calls.get_mut(position) else { return Ok(()) };
        if let Some(id) = id {
            call.id = id;
        }
        if call.name.is_empty() {
            call.name = name;
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.size = self.size.saturating_add(bytes);
        if self.size > MAX_ANSWER { Err(too_long(FrameTooLong)) } else { Ok(()) }
    }
}

/// One answer was asked for; a second one would be mixed into it.
fn first(choices: &[Value]) -> Option<&Map<String, Value>> {
    let zero = choices.iter().find(|choice| choice.get("index").and_then(Value::as_u64) == Some(0));
    zero.or_else(|| choices.first())?.as_object()
}

/// Tokens, however they are written.
fn tokens(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in this range")]
    (0.0..=1e12).contains(&number).then_some(number as u64)
}

/// The provider's word for the end; `None` while there is none.
fn finish_reason(choice: &Map<String, Value>) -> Option<String> {
    let value = ["finish_reason", "finishReason"]
        .iter()
        .find_map(|name| choice.get(*name).filter(|value| !value.is_null()))?;
    let word = match value {
        Value::String(word) => word.as_str(),
        Value::Object(fields) => ["type", "reason"].iter().find_map(|name| fields.get(*name)?.as_str())?,
        _ => return None,
    };
    let none = word.is_empty()
        || ["null", "none", "not_finished", "finish_reason_unspecified"]
            .contains(&word.to_ascii_lowercase().as_str());
    (!none).then(|| word.chars().take(40).collect())
}

fn meaning(word: &str) -> Result<FinishReason, ModelError> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "content_filter"
        | "safety"
        | "recitation"
        | "prohibited_content"
        | "blocklist"
        | "spii"
        | "guardrail_intervened"
        | "sensitive" => return Err(ModelError::ContentFilter(words::masked(word))),
        "error" | "network_error" => {
            return Err(ModelError::Overloaded {
                detail: format!("finish_reason {word}"),
                retry_after: None,
            });
        }
        "stop" | "eos" | "end_turn" | "eos_token" | "stop_sequence" | "complete" | "completed"
        | "finished" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" | "max_output_tokens" | "token_limit" => {
            FinishReason::Length
        }
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "insufficient_system_resource"
        | "abort"
        | "aborted"
        | "cancelled"
        | "canceled"
        | "timeout"
        | "load"
        | "time_limit" => FinishReason::Interrupted(word.to_owned()),
        _ => FinishReason::Other(word.to_owned()),
    })
}

fn is_json(data: &str) -> bool {
    data.trim() == "[DONE]" || objects(data).is_ok() || objects(&whole_letters(data)).is_ok()
}

/// Every object in a frame (some servers put two into one), or the rest that is none.
fn objects(data: &str) -> Result<Vec<Value>, &str> {
    let mut values = serde_json::Deserializer::from_str(data).into_iter::<Value>();
    let mut found = Vec::new();
    loop {
        let rest = data.get(values.byte_offset()..).unwrap_or("").trim();
        match values.next() {
            None => return Ok(found),
            Some(Ok(value)) => found.push(value),
            Some(Err(_)) if rest == "[DONE]" => return Ok(found),
            Some(Err(_)) => return Err(rest),
        }
    }
}

/// JSON in which a letter that was cut in two is no error: its halves are put together when both are there.
fn whole_letters(data: &str) -> String {
    let code = |text: &str| u32::from_str_radix(text.get(2..6)?, 16).ok();
    let mut kept = String::with_capacity(data.len());
    let mut rest = data;
    while let Some(at) = rest.find('\\') {
        let (before, escaped) = rest.split_at(at);
        kept.push_str(before);
        let length = if escaped.starts_with("\\u") { 6 } else { 2 };
        let (escape, after) = escaped.split_at_checked(length).unwrap_or((escaped, ""));
        let pair = code(escape).is_some_and(|code| (0xD800..0xDC00).contains(&code))
            && after.starts_with("\\u")
            && code(after).is_some_and(|code| (0xDC00..0xE000).contains(&code));
        match code(escape).filter(|_| length == 6).and_then(speech::half) {
            Some(half) if !pair => kept.push(half),
            _ => kept.push_str(escape),
        }
        let second = if pair { after.get(..6).unwrap_or("") } else { "" };
        kept.push_str(second);
        rest = after.get(second.len()..).unwrap_or("");
    }
    kept.push_str(rest);
    kept
}

fn bad(what: &str) -> ModelError {
    ModelError::BadResponse(what.to_owned())
}

fn too_long(_: FrameTooLong) -> ModelError {
    ModelError::TooLong(u64::try_from(MAX_FRAME).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
