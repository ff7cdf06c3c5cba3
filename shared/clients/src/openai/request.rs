//! Requests to an OpenAI-compatible service.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_ports::{Egress, FetchLimits, ModelEndpoint};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;

use super::error::ModelError;

/// Who says a message of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// The instructions.
    System,
    /// The visitor.
    User,
    /// The model, earlier.
    Assistant,
    /// The result of a tool.
    Tool,
}

/// One message of the context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChatMessage {
    /// Who says it.
    pub role: ChatRole,
    /// What it says.
    pub content: String,
    /// The tool calls that an assistant's message made, as the API writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Value>,
    /// The call that a tool's message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

impl ChatMessage {
    /// A message of text alone.
    #[must_use]
    pub fn new(role: ChatRole, content: impl Into<String>) -> Self {
        Self { role, content: content.into(), tool_calls: None, tool_call_id: None }
    }
}

/// What the model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest {
    /// The model's name at the provider.
    pub model: String,
    /// The context, in order.
    pub messages: Vec<ChatMessage>,
    /// 0 to 2; `None` leaves it to the provider.
    pub temperature: Option<f64>,
    /// The longest answer in tokens; `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// Declared tools, as the API writes them.
    pub tools: Option<Value>,
    /// Which tool is to be used, as the API writes it.
    pub tool_choice: Option<Value>,
}

/// How long each part of an answer may take. Each is measured on its own; the whole bounds them all, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection.
    pub connect: Duration,
    /// From the start of an attempt to the first piece of text: the head of the response is not enough.
    pub first_token: Duration,
    /// Between two pieces of the answer. Comments that keep the connection alive are no pieces.
    pub gap: Duration,
    /// All in all.
    pub whole: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            first_token: Duration::from_secs(15),
            gap: Duration::from_secs(15),
            whole: Duration::from_secs(90),
        }
    }
}

impl Timeouts {
    /// The same for the HTTP client, which sees bytes and not tokens: it must not be stricter than the deadlines above.
    pub(super) fn limits(&self, max_bytes: u64) -> FetchLimits {
        FetchLimits {
            connect: self.connect,
            head: self.first_token,
            gap: self.gap.max(self.first_token),
            total: self.whole,
            max_bytes,
            egress: Egress::Configured,
        }
    }
}

/// How this provider wants the request. OpenAI's own models take `max_completion_tokens` only (the older name is
/// refused by its reasoning models), those of others take `max_tokens` and some ignore the newer name silently, which
/// would leave the answer without a bound. So the host decides first, and a provider that names a field it does not
/// take gets the request once more without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    max_completion_tokens: bool,
    max_tokens: bool,
    temperature: bool,
    stream_options: bool,
}

impl Dialect {
    pub(super) fn of(base_url: &str) -> Self {
        let host = host(base_url);
        let openai = host == "api.openai.com" || host.ends_with(".openai.azure.com");
        Self { max_completion_tokens: openai, max_tokens: !openai, temperature: true, stream_options: true }
    }

    /// What to try after the provider refused `field`; `None` when there is nothing else to try.
    pub(super) fn without(self, field: &str) -> Option<Self> {
        match field {
            "max_tokens" if self.max_tokens => {
                Some(Self { max_tokens: false, max_completion_tokens: true, ..self })
            }
            "max_completion_tokens" if self.max_completion_tokens => {
                Some(Self { max_completion_tokens: false, max_tokens: true, ..self })
            }
            "temperature" if self.temperature => Some(Self { temperature: false, ..self }),
            "stream_options" | "stream_options.include_usage" if self.stream_options => {
                Some(Self { stream_options: false, ..self })
            }
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct ChatBody<'a> {
    model: &'a str,
    messages: &'a [ChatMessage],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'a Value>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The request for a streamed answer.
pub(super) fn chat(
    endpoint: &ModelEndpoint,
    request: &ChatRequest,
    dialect: Dialect,
) -> Result<http::Request<Bytes>, ModelError> {
    post(
        endpoint,
        "/chat/completions",
        "text/event-stream",
        &ChatBody {
            model: &request.model,
            messages: &request.messages,
            temperature: request.temperature.filter(|_| dialect.temperature),
            max_tokens: request.max_tokens.filter(|_| dialect.max_tokens),
            max_completion_tokens: request.max_tokens.filter(|_| dialect.max_completion_tokens),
            tools: request.tools.as_ref(),
            tool_choice: request.tool_choice.as_ref(),
            stream: true,
            stream_options: dialect.stream_options.then_some(StreamOptions { include_usage: true }),
        },
    )
}

/// A POST of JSON with the endpoint's key.
pub(super) fn post(
    endpoint: &ModelEndpoint,
    path: &str,
    accept: &'static str,
    body: &impl Serialize,
) -> Result<http::Request<Bytes>, ModelError> {
    let body =
        serde_json::to_vec(body).map_err(|_| ModelError::BadResponse("request is no JSON".to_owned()))?;
    // An Azure base URL may carry `?api-version=…`.
    let (base, query) = endpoint.base_url.split_once('?').unwrap_or((&endpoint.base_url, ""));
    let mark = if query.is_empty() { "" } else { "?" };
    let mut builder = http::Request::post(format!("{}{path}{mark}{query}", base.trim_end_matches('/')))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(ACCEPT, HeaderValue::from_static(accept));
    if let Some(key) = &endpoint.api_key {
        let header = |text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                ModelError::Refused("the key holds a line break or other control character".to_owned())
            })?;
            value.set_sensitive(true);
            Ok(value)
        };
        let key = key.expose_secret();
        builder = builder.header(AUTHORIZATION, header(&format!("Bearer {key}"))?);
        if host(base).ends_with(".azure.com") {
            builder = builder.header(HeaderName::from_static("api-key"), header(key)?);
        }
    }
    builder.body(body.into()).map_err(|_| ModelError::Refused("the base URL is no URL".to_owned()))
}

fn host(base_url: &str) -> &str {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn endpoint(base_url: &str) -> ModelEndpoint {
        ModelEndpoint {
            base_url: base_url.to_owned(),
            api_key: Some("sk-secret".into()),
            chat_model: None,
            fallback_model: None,
            embedding_model: None,
        }
    }

    fn request() -> ChatRequest {
        ChatRequest {
            model: "m".into(),
            messages: vec![ChatMessage::new(ChatRole::System, "s"), ChatMessage::new(ChatRole::User, "u")],
            temperature: Some(0.25),
            max_tokens: Some(10),
            tools: Some(json!([{"type": "function"}])),
            tool_choice: Some(json!("auto")),
        }
    }

    fn sent(base_url: &str) -> http::Request<Bytes> {
        chat(&endpoint(base_url), &request(), Dialect::of(base_url)).unwrap()
    }

    #[test]
    fn the_body_is_what_the_api_reads() {
        let sent = sent("http://localhost:1/v1");
        assert_eq!(sent.uri(), "http://localhost:1/v1/chat/completions");
        assert_eq!(sent.headers()[AUTHORIZATION], "Bearer sk-secret");
        assert_eq!(
            serde_json::from_slice::<Value>(sent.body()).unwrap(),
            json!({
                "model": "m",
                "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
                "temperature": 0.25,
                "max_tokens": 10,
                "tools": [{"type": "function"}],
                "tool_choice": "auto",
                "stream": true,
                "stream_options": {"include_usage": true},
            })
        );
    }

    #[test]
    fn openai_gets_the_newer_name_of_the_token_limit() {
        let body: Value = serde_json::from_slice(sent("https://api.openai.com/v1").body()).unwrap();
        assert_eq!((body.get("max_tokens"), body.get("max_completion_tokens")), (None, Some(&json!(10))));
    }

    #[test]
    fn azure_gets_its_version_and_its_key_header() {
        let sent = sent("https://x.openai.azure.com/openai/deployments/d?api-version=1");
        assert_eq!(
            sent.uri(),
            "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1"
        );
        assert_eq!(sent.headers()["api-key"], "sk-secret");
    }

    #[test]
    fn the_key_is_in_no_debug_text() {
        let sent = sent("https://x.openai.azure.com/v1");
        assert!(!format!("{sent:?} {:?}", endpoint("http://x")).contains("sk-secret"));
    }

    #[test]
    fn a_key_with_a_line_break_is_refused_without_repeating_it() {
        let endpoint = ModelEndpoint { api_key: Some("sk-a\nb".into()), ..endpoint("http://x") };
        let error = chat(&endpoint, &request(), Dialect::of("http://x")).unwrap_err();
        assert!(matches!(error, ModelError::Refused(_)) && !error.to_string().contains("sk-a"));
    }

    #[test]
    fn a_refused_field_is_left_out_once() {
        let dialect = Dialect::of("http://x");
        let other = dialect.without("max_tokens").unwrap();
        assert!(other.max_completion_tokens && !other.max_tokens);
        assert_eq!(dialect.without("temperature").unwrap().without("temperature"), None);
        assert_eq!(dialect.without("messages"), None);
    }
}
