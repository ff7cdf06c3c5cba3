//! What the real service refuses, refused in its words.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Options;

/// A refusal, as the real service writes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) kind: &'static str,
    pub(super) param: Option<&'static str>,
    pub(super) code: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status.as_u16() {
            401 => "authentication_error",
            429 => "requests",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self { status, message: message.into(), kind, param: None, code: None }
    }

    fn invalid(param: &'static str, message: impl Into<String>) -> Self {
        Self { param: Some(param), ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    pub(super) fn code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    pub(super) fn body(&self) -> Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }
}

/// A chat request that is in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChatAsked {
    pub(super) model: String,
    /// Role and text.
    pub(super) messages: Vec<(String, String)>,
    pub(super) max_tokens: Option<usize>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) prompt_tokens: usize,
}

/// Embeddings that are in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EmbeddingsAsked {
    pub(super) model: String,
    pub(super) texts: Vec<String>,
    pub(super) dimensions: usize,
    pub(super) base64: bool,
}

const CHAT_FIELDS: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "n",
    "stream",
    "stream_options",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "seed",
    "metadata",
    "store",
    "reasoning_effort",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "verbosity",
];
const EMBEDDING_FIELDS: &[&str] = &["model", "input", "encoding_format", "dimensions", "user"];
const ROLES: &[&str] = &["system", "developer", "user", "assistant", "tool", "function"];

/// Tokens of a text, counted as four bytes each.
pub(super) fn count(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// Checks a chat request.
pub(super) fn chat(body: &Value, options: &Options) -> Result<ChatAsked, Refusal> {
    let fields = fields(body, CHAT_FIELDS)?;
    let model = model(fields, options)?;
    let list =
        fields.get("messages").and_then(Value::as_array).filter(|list| !list.is_empty()).ok_or_else(
            || Refusal::invalid("messages", "'messages' must be a list with at least one message"),
        )?;
    let messages = list.iter().map(message).collect::<Result<Vec<_>, _>>()?;
    number(fields, "temperature", 0.0, 2.0)?;
    number(fields, "top_p", 0.0, 1.0)?;
    number(fields, "n", 1.0, 1.0)?;
    let max_tokens = match (whole(fields, "max_tokens")?, whole(fields, "max_completion_tokens")?) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid(
                "max_tokens",
                "give either 'max_tokens' or 'max_completion_tokens'",
            ));
        }
        (older, newer) => newer.or(older),
    };
    let stream = flag(fields, "stream")?;
    let stream_options = fields.get("stream_options").filter(|value| !value.is_null());
    if stream_options.is_some() && !stream {
        return Err(Refusal::invalid("stream_options", "'stream_options' needs 'stream'"));
    }
    let include_usage =
        stream_options.and_then(|value| value.get("include_usage")) == Some(&Value::Bool(true));
    let prompt_tokens = messages.iter().map(|(_, text)| count(text).saturating_add(4)).sum::<usize>();
    let whole = prompt_tokens.saturating_add(max_tokens.unwrap_or_default());
    if whole > options.context_tokens {
        let limit = options.context_tokens;
        let message =
            format!("This model's maximum context length is {limit} tokens, however you requested {whole}.");
        return Err(Refusal::invalid("messages", message).code("context_length_exceeded"));
    }
    Ok(ChatAsked { model, messages, max_tokens, stream, include_usage, prompt_tokens })
}

/// Checks embeddings.
pub(super) fn embeddings(body: &Value, options: &Options) -> Result<EmbeddingsAsked, Refusal> {
    let fields = fields(body, EMBEDDING_FIELDS)?;
    let model = model(fields, options)?;
    let wrong = || {
        Refusal::invalid("input", "'input' must be a text or a list of 1 to 2048 texts, none of them empty")
    };
    let texts: Vec<String> = match fields.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list
            .iter()
            .map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        _ => return Err(wrong()),
    };
    if texts.is_empty() || texts.len() > 2048 || texts.iter().any(String::is_empty) {
        return Err(wrong());
    }
    let base64 = match fields.get("encoding_format").and_then(Value::as_str) {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(Refusal::invalid("encoding_format", "'encoding_format' is 'float' or 'base64'"));
        }
    };
    let dimensions = whole(fields, "dimensions")?.unwrap_or(options.dimensions);
    if dimensions > 4096 {
        return Err(Refusal::invalid("dimensions", "'dimensions' is at most 4096"));
    }
    Ok(EmbeddingsAsked { model, texts, dimensions, base64 })
}

fn fields<'a>(body: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, Refusal> {
    let fields = body.as_object().ok_or_else(|| {
        Refusal::new(StatusCode::BAD_REQUEST, "We could not parse the JSON body of your request.")
    })?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => {
            let message = format!("Unrecognized request argument supplied: {name}");
            Err(Refusal::new(StatusCode::BAD_REQUEST, message))
        }
        None => Ok(fields),
    }
}

fn model(fields: &Map<String, Value>, options: &Options) -> Result<String, Refusal> {
    let Some(model) = fields.get("model").and_then(Value::as_str) else {
        return Err(Refusal::invalid("model", "you must provide a model parameter"));
    };
    if options.models.iter().any(|known| known == model) {
        return Ok(model.to_owned());
    }
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    Err(Refusal { param: Some("model"), ..Refusal::new(StatusCode::NOT_FOUND, message) }
        .code("model_not_found"))
}

fn message(message: &Value) -> Result<(String, String), Refusal> {
    let role =
        message.get("role").and_then(Value::as_str).filter(|role| ROLES.contains(role)).ok_or_else(|| {
            Refusal::invalid("messages", format!("a message's role must be one of {}", ROLES.join(", ")))
        })?;
    let text = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        Some(Value::Null) | None if role == "assistant" => String::new(),
        _ => {
            return Err(Refusal::invalid(
                "messages",
                "a message's content must be a text or a list of parts",
            ));
        }
    };
    Ok((role.to_owned(), text))
}

fn number(fields: &Map<String, Value>, name: &'static str, low: f64, high: f64) -> Result<(), Refusal> {
    match fields.get(name).filter(|value| !value.is_null()) {
        None => Ok(()),
        Some(value) if value.as_f64().is_some_and(|value| (low..=high).contains(&value)) => Ok(()),
        Some(_) => Err(Refusal::invalid(name, format!("'{name}' must be a number from {low} to {high}"))),
    }
}

fn whole(fields: &Map<String, Value>, name: &'static str) -> Result<Option<usize>, Refusal> {
    match fields.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => match value.as_u64().and_then(|value| usize::try_from(value).ok()) {
            Some(value) if value >= 1 => Ok(Some(value)),
            _ => Err(Refusal::invalid(name, format!("'{name}' must be a whole number from 1"))),
        },
    }
}

fn flag(fields: &Map<String, Value>, name: &'static str) -> Result<bool, Refusal> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(Refusal::invalid(name, format!("'{name}' must be true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: &Value) -> Value {
        let mut body = json!({"model": "fake-chat", "messages": [{"role": "user", "content": "Hi"}]});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn a_request_in_order_is_taken() {
        let body = with(
            &json!({"temperature": 2, "max_tokens": 5, "stream": true, "stream_options": {"include_usage": true}}),
        );
        let asked = chat(&body, &Options::default()).unwrap();
        assert!(asked.stream && asked.include_usage);
        assert_eq!((asked.max_tokens, asked.messages.len()), (Some(5), 1));
    }

    #[test]
    fn what_the_real_one_refuses_is_refused() {
        let options = Options { context_tokens: 100, ..Options::default() };
        for (change, status, code) in [
            (json!({"model": "gpt-9"}), 404, Some("model_not_found")),
            (json!({"model": null}), 400, None),
            (json!({"messages": []}), 400, None),
            (json!({"messages": null}), 400, None),
            (json!({"messages": [{"role": "visitor", "content": "Hi"}]}), 400, None),
            (json!({"messages": [{"role": "user"}]}), 400, None),
            (json!({"temperature": 2.5}), 400, None),
            (json!({"temperature": "hot"}), 400, None),
            (json!({"max_tokens": 0}), 400, None),
            (json!({"max_tokens": 1, "max_completion_tokens": 1}), 400, None),
            (json!({"stream_options": {}}), 400, None),
            (json!({"stream": "yes"}), 400, None),
            (json!({"colour": "red"}), 400, None),
            (
                json!({"messages": [{"role": "user", "content": "x".repeat(500)}]}),
                400,
                Some("context_length_exceeded"),
            ),
        ] {
            let refusal = chat(&with(&change), &options).unwrap_err();
            assert_eq!((refusal.status.as_u16(), refusal.code.as_deref()), (status, code), "{change}");
        }
        assert_eq!(chat(&json!([]), &options).unwrap_err().status, 400);
    }
}
