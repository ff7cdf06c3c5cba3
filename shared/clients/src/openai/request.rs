//! Requests to an OpenAI-compatible service.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_ports::{Dialect, Egress, FetchLimits, ModelEndpoint};
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
    /// Whose words these are: what a service fails at may lie in them.
    pub caller: Option<u64>,
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

/// What a model is like of which nothing is known. OpenAI's own models take `max_completion_tokens` only (the older name is
/// refused by its reasoning models), those of others take `max_tokens` and some ignore the newer name silently, which
/// would leave the answer without a bound. So the host decides first, and an endpoint that names a field it does not
/// take gets the request once more without it.
pub(super) fn first_dialect(base_url: &str) -> Dialect {
    let host = host(base_url);
    let openai = host == "api.openai.com" || host.ends_with(".openai.azure.com");
    Dialect { max_completion_tokens: openai, max_tokens: !openai, ..Dialect::default() }
}

/// The fields of a request that an endpoint may refuse, of those that are sent.
pub(super) fn optional_fields(dialect: &Dialect) -> Vec<&'static str> {
    [
        (dialect.max_completion_tokens, "max_completion_tokens"),
        (dialect.max_tokens, "max_tokens"),
        (dialect.temperature, "temperature"),
        (dialect.stream && dialect.stream_options, "stream_options"),
        (dialect.stream, "stream"),
    ]
    .into_iter()
    .filter_map(|(sent, name)| sent.then_some(name))
    .collect()
}

/// What to try after the endpoint refused `field`. `other_limit`: the limit of the answer has another name, which was not
/// refused yet.
pub(super) fn without(dialect: &Dialect, field: &str, other_limit: bool) -> Dialect {
    let dialect = dialect.clone();
    match field {
        "max_tokens" => Dialect { max_tokens: false, max_completion_tokens: other_limit, ..dialect },
        "max_completion_tokens" => {
            Dialect { max_completion_tokens: false, max_tokens: other_limit, ..dialect }
        }
        "temperature" => Dialect { temperature: false, ..dialect },
        "stream_options" => Dialect { stream_options: false, ..dialect },
        _ => Dialect { stream: false, stream_options: false, ..dialect },
    }
}

/// Whether an endpoint is on this machine or in its network: models there load slowly and write slowly.
#[must_use]
pub fn is_near(base_url: &str) -> bool {
    const NEAR: &[&str] = &[".localhost", ".local", ".internal", ".lan", ".home.arpa"];
    let Ok(url) = url::Url::parse(base_url) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(address)) => is_near_v4(address),
        Some(url::Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(is_near_v4)
        }
        Some(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !name.is_empty() && (!name.contains('.') || NEAR.iter().any(|end| name.ends_with(end)))
        }
        None => false,
    }
}

const fn is_near_v4(address: std::net::Ipv4Addr) -> bool {
    address.is_loopback() || address.is_private() || address.is_link_local()
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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
    dialect: &Dialect,
) -> Result<http::Request<Bytes>, ModelError> {
    let merged;
    let messages = if dialect.system_role {
        &request.messages
    } else {
        merged = without_system(&request.messages);
        &merged
    };
    post(
        endpoint,
        RequestTarget { path: "/chat/completions", url: dialect.url.as_deref() },
        if dialect.stream { "text/event-stream" } else { "application/json" },
        &ChatBody {
            model: &request.model,
            messages,
            temperature: request.temperature.filter(|_| dialect.temperature),
            max_tokens: request.max_tokens.filter(|_| dialect.max_tokens),
            max_completion_tokens: request.max_tokens.filter(|_| dialect.max_completion_tokens),
            tools: request.tools.as_ref(),
            tool_choice: request.tool_choice.as_ref(),
            stream: dialect.stream,
            stream_options: (dialect.stream && dialect.stream_options)
                .then_some(StreamOptions { include_usage: true }),
        },
    )
}

/// The instructions at the beginning of the first message that is none, for templates that know no others.
fn without_system(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let of = |message: &&ChatMessage| message.role == ChatRole::System;
    let instructions: Vec<&str> =
        messages.iter().filter(of).map(|message| message.content.as_str()).collect();
    let mut rest: Vec<ChatMessage> = messages.iter().filter(|message| !of(message)).cloned().collect();
    let instructions = instructions.join("\n\n");
    match rest.first_mut() {
        Some(first) if first.role == ChatRole::User => {
            first.content = format!("{instructions}\n\n{}", first.content);
        }
        _ => rest.insert(0, ChatMessage::new(ChatRole::User, instructions)),
    }
    rest
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub(super) struct RequestTarget<'a> {
    /// Below the base URL.
    pub path: &'static str,
    /// Or here.
    pub url: Option<&'a str>,
}

/// A path below a base URL; an Azure one may carry `?api-version=…`.
pub(super) fn below(base_url: &str, path: &str) -> String {
    let (base, query) = base_url.split_once('?').unwrap_or((base_url, ""));
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{}{path}{mark}{query}", base.trim_end_matches('/'))
}

/// A POST of JSON with the endpoint's key.
pub(super) fn post(
    endpoint: &ModelEndpoint,
    target: RequestTarget<'_>,
    accept: &'static str,
    body: &impl Serialize,
) -> Result<http::Request<Bytes>, ModelError> {
    let body =
        serde_json::to_vec(body).map_err(|_| ModelError::Request("the request is no JSON".to_owned()))?;
    let url = target.url.map_or_else(|| below(&endpoint.base_url, target.path), str::to_owned);
    let builder = http::Request::post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header(ACCEPT, HeaderValue::from_static(accept));
    keyed(endpoint, builder)?
        .body(body.into())
        .map_err(|_| ModelError::Refused("the base URL is no URL".to_owned()))
}

/// The question for the list of models.
pub(super) fn models(endpoint: &ModelEndpoint) -> Result<http::Request<Bytes>, ModelError> {
    let builder = http::Request::get(below(&endpoint.base_url, "/models"));
    keyed(endpoint, builder)?
        .body(Bytes::new())
        .map_err(|_| ModelError::Refused("the base URL is no URL".to_owned()))
}

/// With the endpoint's key.
fn keyed(
    endpoint: &ModelEndpoint,
    builder: http::request::Builder,
) -> Result<http::request::Builder, ModelError> {
    let Some(key) = &endpoint.api_key else { return Ok(builder) };
    let header = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| {
            ModelError::Refused("the key holds a line break or other control character".to_owned())
        })?;
        value.set_sensitive(true);
        Ok(value)
    };
    let key = key.expose_secret();
    let builder = builder.header(AUTHORIZATION, header(&format!("Bearer {key}"))?);
    // Azure has a header of its own, behind whatever name it stands.
    let azure = host(&endpoint.base_url).ends_with(".azure.com")
        || host(&endpoint.base_url).ends_with(".azure-api.net")
        || endpoint.base_url.contains("api-version=");
    Ok(if azure { builder.header(HeaderName::from_static("api-key"), header(key)?) } else { builder })
}

/// The host of an address, in small letters; empty where there is none.
fn host(base_url: &str) -> String {
    let url = url::Url::parse(base_url).ok();
    url.as_ref().and_then(url::Url::host_str).unwrap_or_default().trim_end_matches('.').to_owned()
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
            caller: None,
        }
    }

    fn sent(base_url: &str) -> http::Request<Bytes> {
        chat(&endpoint(base_url), &request(), &first_dialect(base_url)).unwrap()
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
        let error = chat(&endpoint, &request(), &first_dialect("http://x")).unwrap_err();
        assert!(matches!(error, ModelError::Refused(_)) && !error.to_string().contains("sk-a"));
    }

    #[test]
    fn azure_behind_another_name_is_known_by_its_version() {
        assert_eq!(sent("http://gateway.example/openai?api-version=1").headers()["api-key"], "sk-secret");
        assert!(sent("http://gateway.example/v1").headers().get("api-key").is_none());
    }

    #[test]
    fn a_refused_field_is_left_out() {
        let dialect = first_dialect("http://x");
        let other = without(&dialect, "max_tokens", true);
        assert!(other.max_completion_tokens && !other.max_tokens);
        let neither = without(&other, "max_completion_tokens", false);
        assert!(!neither.max_completion_tokens && !neither.max_tokens);
        assert_eq!(optional_fields(&without(&neither, "stream", false)), ["temperature"]);
    }

    #[test]
    fn instructions_stand_in_the_first_message_where_there_is_no_other_place() {
        let dialect = Dialect { system_role: false, ..Dialect::default() };
        let sent = chat(&endpoint("http://x"), &request(), &dialect).unwrap();
        let body: Value = serde_json::from_slice(sent.body()).unwrap();
        assert_eq!(body["messages"], json!([{"role": "user", "content": "s\n\nu"}]));
    }

    #[test]
    fn endpoints_on_this_machine_and_in_its_network_are_near() {
        for near in [
            "http://localhost:11434/v1",
            "http://127.0.0.1:8080",
            "http://[::1]:1/v1",
            "http://ollama:11434",
            "http://10.0.0.7/v1",
            "http://192.168.1.2",
            "http://gpu.local/v1",
            "http://host.docker.internal:11434/v1",
            "http://user:pass@LOCALHOST:1/v1",
            "http://[::ffff:192.168.1.2]/v1",
            "http://0x7f.1/v1",
            "http://gpu.lan./v1",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in [
            "https://api.openai.com/v1",
            "http://8.8.8.8",
            "https://[2606:4700::1]/v1",
            "https://local.example/v1",
            "https://api.example/v1?to=@localhost",
            "https://localhost@api.example/v1",
            "nothing",
        ] {
            assert!(!is_near(far), "{far}");
        }
    }
}
