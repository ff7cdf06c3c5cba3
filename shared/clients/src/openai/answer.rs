//! What a chat completion says, read from bytes as they arrive. Knows no clock and no connection.
//!
//! Servers differ: fields may be missing, `null` or unknown, usage may come with every frame or never, the last
//! `[DONE]` may be missing, and a server that knows no streaming answers with one JSON object.

use frontdesk_domain::answer::Usage;
use serde::Deserialize;
use serde_json::Value;

use super::error::ModelError;
use super::sse::{Decoder, FrameTooLong, MAX_FRAME};

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
    /// Another word of the provider, or none at all before `[DONE]`.
    Other(String),
}

/// What happens in an answer, in this order: text and thoughts mixed, then tool calls, usage, the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// The next piece of text, never empty.
    Text(String),
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

enum Format {
    Unknown,
    Stream(Decoder),
    Whole(Vec<u8>),
}

/// Reads one answer.
pub(super) struct AnswerReader {
    format: Format,
    model: String,
    size: usize,
    tool_calls: Vec<ToolCall>,
    usage: Option<Usage>,
    reason: Option<FinishReason>,
    done: bool,
}

impl AnswerReader {
    /// An answer of `model`, nothing of it read yet.
    pub(super) fn new(model: &str) -> Self {
        Self {
            format: Format::Unknown,
            model: model.to_owned(),
            size: 0,
            tool_calls: Vec::new(),
            usage: None,
            reason: None,
            done: false,
        }
    }

    /// The provider said why it ended; what may follow is usage and `[DONE]`.
    pub(super) const fn is_finished(&self) -> bool {
        self.reason.is_some()
    }

    /// `[DONE]` was read; nothing more is of interest.
    pub(super) const fn is_done(&self) -> bool {
        self.done
    }

    /// Size of what was said, text and tool calls: grows with every piece of the answer and with nothing else.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// Takes the next bytes; gives the text in them. The other events come from [`AnswerReader::end`].
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        let mut bytes = bytes;
        if matches!(self.format, Format::Unknown) {
            let Some(start) = bytes.iter().position(|byte| !byte.is_ascii_whitespace()) else {
                return Ok(());
            };
            self.format = match bytes.get(start) {
                Some(b'{' | b'[') => Format::Whole(Vec::new()),
                Some(b'<') => return Err(bad("a web page instead of an answer")),
                _ => Format::Stream(Decoder::default()),
            };
            bytes = bytes.get(start..).unwrap_or_default();
        }
        if let Format::Whole(whole) = &mut self.format {
            if whole.len().saturating_add(bytes.len()) > MAX_ANSWER.saturating_add(MAX_FRAME) {
                return Err(too_long(FrameTooLong));
            }
            whole.extend_from_slice(bytes);
            return Ok(());
        }
        let mut frames = Vec::new();
        let Format::Stream(decoder) = &mut self.format else { return Ok(()) };
        let pushed = decoder.push(bytes, |data| frames.push(data)).map_err(too_long);
        for frame in frames {
            self.frame(&frame, out)?;
        }
        pushed
    }

    /// The body ended; gives what is left.
    ///
    /// # Errors
    /// [`ModelError::Cut`] when the provider had not said that it was the end.
    pub(super) fn end(&mut self, out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        match std::mem::replace(&mut self.format, Format::Unknown) {
            Format::Unknown => {}
            Format::Stream(mut decoder) => {
                // Half a frame at the end of a cut answer is not worth an error of its own.
                if let Ok(Some(frame)) = decoder.finish()
                    && (frame == "[DONE]" || serde_json::from_str::<serde::de::IgnoredAny>(&frame).is_ok())
                {
                    self.frame(&frame, out)?;
                }
            }
            Format::Whole(whole) => {
                let answer = serde_json::from_slice(&whole).map_err(|error| {
                    if error.is_eof() { ModelError::Cut } else { bad("neither a stream nor JSON") }
                })?;
                self.chunk(answer, out)?;
                self.done = true;
            }
        }
        if self.reason.is_none() && !self.done {
            return Err(ModelError::Cut);
        }
        for (position, call) in std::mem::take(&mut self.tool_calls).into_iter().enumerate() {
            if call.name.is_empty() {
                return Err(bad("a tool call without a name"));
            }
            let id = if call.id.is_empty() { format!("call_{position}") } else { call.id };
            out(ChatEvent::ToolCall { id, name: call.name, arguments: call.arguments });
        }
        if let Some(usage) = self.usage.take() {
            out(ChatEvent::Usage(usage));
        }
        let reason = self.reason.take().unwrap_or_else(|| FinishReason::Other(String::new()));
        out(ChatEvent::Finished { reason });
        Ok(())
    }

    fn frame(&mut self, data: &str, out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        if self.done {
            return Ok(());
        }
        if data.trim() == "[DONE]" {
            self.done = true;
            return Ok(());
        }
        let frame = serde_json::from_str(data).map_err(|_| bad("a frame that is no JSON"))?;
        self.chunk(frame, out)
    }

    fn chunk(&mut self, frame: Value, out: &mut impl FnMut(ChatEvent)) -> Result<(), ModelError> {
        if let Some(error) = ModelError::from_frame(&frame) {
            return Err(error);
        }
        let chunk: Chunk = serde_json::from_value(frame).map_err(|_| bad("a frame of another shape"))?;
        if let Some(model) = chunk.model.filter(|model| !model.is_empty() && model.len() <= 200) {
            self.model = model;
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(Usage {
                model: self.model.clone(),
                prompt_tokens: usage.prompt_tokens.unwrap_or_default(),
                completion_tokens: usage.completion_tokens.unwrap_or_default(),
                estimated: false,
            });
        }
        // One answer was asked for; a second one would be mixed into it.
        for choice in
            chunk.choices.unwrap_or_default().into_iter().filter(|choice| choice.index.unwrap_or(0) == 0)
        {
            let MessageDelta { content, tool_calls } = choice.delta.or(choice.message).unwrap_or_default();
            if let Some(text) = content.map(Content::into_text).filter(|text| !text.is_empty()) {
                self.grow(text.len())?;
                out(ChatEvent::Text(text));
            }
            for call in tool_calls.unwrap_or_default() {
                self.tool_call(call)?;
            }
            match choice.finish_reason.as_deref() {
                None | Some("") => {}
                Some("content_filter" | "safety" | "SAFETY") => return Err(ModelError::ContentFilter),
                Some("error") => {
                    return Err(ModelError::Overloaded {
                        detail: "finish_reason error".into(),
                        retry_after: None,
                    });
                }
                Some("stop" | "eos" | "end_turn" | "STOP") => self.reason = Some(FinishReason::Stop),
                Some("length" | "max_tokens" | "MAX_TOKENS") => self.reason = Some(FinishReason::Length),
                Some("tool_calls" | "function_call") => self.reason = Some(FinishReason::ToolCalls),
                Some(other) => self.reason = Some(FinishReason::Other(other.chars().take(40).collect())),
            }
        }
        Ok(())
    }

    fn tool_call(&mut self, delta: ToolCallDelta) -> Result<(), ModelError> {
        let function = delta.function.unwrap_or_default();
        let id = delta.id.filter(|id| !id.is_empty());
        let (name, arguments) = (function.name.unwrap_or_default(), function.arguments.unwrap_or_default());
        // At least 1, so that an empty piece counts as a sign of life too.
        self.grow(name.len().saturating_add(arguments.len()).saturating_add(1))?;
        // Pieces belong together by index; servers that send none repeat the id or simply go on with the last call.
        let known = match (delta.index, &id) {
            (Some(index), _) => self.tool_calls.iter().position(|call| call.index == Some(index)),
            (None, Some(id)) => self.tool_calls.iter().position(|call| call.id == *id),
            (None, None) => self.tool_calls.len().checked_sub(1),
        };
        if known.is_none() {
            if self.tool_calls.len() >= MAX_TOOL_CALLS {
                return Err(bad("too many tool calls"));
            }
            self.tool_calls.push(ToolCall { index: delta.index, ..ToolCall::default() });
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

fn bad(what: &str) -> ModelError {
    ModelError::BadResponse(what.to_owned())
}

fn too_long(_: FrameTooLong) -> ModelError {
    ModelError::BadResponse(format!("answer or frame over {MAX_FRAME} bytes"))
}

#[derive(Deserialize)]
struct Chunk {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<TokenCounts>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u64>,
    delta: Option<MessageDelta>,
    /// Instead of `delta` in an answer that is not streamed.
    message: Option<MessageDelta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct MessageDelta {
    content: Option<Content>,
    tool_calls: Option<Vec<ToolCallDelta>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    /// Some services send a list of parts (Mistral's reasoning models).
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    text: Option<String>,
}

impl Content {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

#[derive(Deserialize)]
struct ToolCallDelta {
    index: Option<u64>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Deserialize, Default)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Deserialize)]
struct TokenCounts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
