//! Why a model did not answer.
//!
//! Nothing that the provider wrote in free text is kept: it may repeat the key or the visitor's words. Only its codes
//! are, when they look like codes.

use std::time::Duration;

use frontdesk_domain::error::Error;
use frontdesk_ports::{CallOutcome, FetchError};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::retry::{ServiceFailure, retry_after};

/// Which deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// Until the connection.
    Connect,
    /// Until the first piece of the answer's text.
    FirstToken,
    /// Between two pieces of the answer.
    Gap,
    /// The whole answer.
    Whole,
}

impl std::fmt::Display for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::FirstToken => "first token",
            Self::Gap => "gap between tokens",
            Self::Whole => "whole answer",
        })
    }
}

/// Why a model did not answer. The texts hold no key and no message text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The provider refuses us (401, 402, 403, no quota) or the address is not allowed: the configuration is wrong.
    #[error("refused, check address, key and account: {0}")]
    Refused(String),
    /// The provider has no such model, or no such path.
    #[error("model or path not found: {0}")]
    ModelNotFound(String),
    /// Too many requests or tokens.
    #[error("rate limited")]
    RateLimited {
        /// How long the provider wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider has trouble (5xx).
    #[error("overloaded: {detail}")]
    Overloaded {
        /// The status or code.
        detail: String,
        /// How long the provider wants us to wait.
        retry_after: Option<Duration>,
    },
    /// No connection, or it broke before the head of the answer.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// A deadline passed.
    #[error("time limit: {0}")]
    Timeout(Deadline),
    /// The answer ended before its end.
    #[error("answer cut off")]
    Cut,
    /// The answer cannot be read, or the request was refused for a reason of its own.
    #[error("bad response: {0}")]
    BadResponse(String),
    /// The context is longer than the model takes.
    #[error("context too long for the model")]
    ContextTooLong,
    /// The provider's own filter stepped in. Text that was shown before has to be withdrawn.
    #[error("stopped by the provider's content filter")]
    ContentFilter,
    /// The circuit is open: the provider was not asked.
    #[error("circuit open")]
    CircuitOpen,
}

impl ModelError {
    /// Whether the same call may succeed later without an operator changing anything.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::Unreachable(_)
            | Self::Timeout(_)
            | Self::Cut
            | Self::CircuitOpen => true,
            Self::Refused(_)
            | Self::ModelNotFound(_)
            | Self::BadResponse(_)
            | Self::ContextTooLong
            | Self::ContentFilter => false,
        }
    }

    /// What it says of the service. A request that is at fault itself says that the service answers.
    #[must_use]
    pub const fn outcome(&self) -> CallOutcome {
        match self {
            Self::Refused(_) => CallOutcome::Refused,
            Self::ModelNotFound(_) => CallOutcome::Missing,
            Self::RateLimited { .. } => CallOutcome::Limited,
            Self::Overloaded { .. }
            | Self::Unreachable(_)
            | Self::Timeout(_)
            | Self::Cut
            | Self::CircuitOpen => CallOutcome::Failing,
            Self::BadResponse(_) => CallOutcome::Unreadable,
            Self::ContextTooLong | Self::ContentFilter => CallOutcome::Ok,
        }
    }

    /// As an error of `service` (`model` or `embeddings`).
    #[must_use]
    pub fn of_service(self, service: &'static str) -> Error {
        Error::Upstream { service, retryable: self.retryable(), detail: self.to_string() }
    }

    /// From a call that failed before the head of the answer.
    pub(super) fn before_head(error: FetchError) -> Self {
        match error {
            FetchError::Connect(_) => Self::Unreachable("no connection".to_owned()),
            FetchError::Lost(_) => Self::Unreachable("connection lost".to_owned()),
            other => Self::in_body(&other),
        }
    }

    /// From a body that failed.
    pub(super) fn in_body(error: &FetchError) -> Self {
        match error {
            FetchError::Connect(_) | FetchError::Lost(_) => Self::Cut,
            FetchError::Timeout("connect") => Self::Timeout(Deadline::Connect),
            FetchError::Timeout("head") => Self::Timeout(Deadline::FirstToken),
            FetchError::Timeout("gap") => Self::Timeout(Deadline::Gap),
            FetchError::Timeout(_) => Self::Timeout(Deadline::Whole),
            FetchError::TooLarge(limit) => Self::BadResponse(format!("answer over {limit} bytes")),
            FetchError::Refused(_) => Self::Refused("address not allowed".to_owned()),
            FetchError::CircuitOpen => Self::CircuitOpen,
        }
    }

    /// From an answer with an error status. `body` may be cut short.
    pub(super) fn from_status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        Self::classify(status.as_u16(), retry_after(headers), &Report::find(&body).unwrap_or_default())
    }

    /// From an error inside an answer with status 200; `None` when there is none.
    pub(super) fn from_frame(frame: &Value) -> Option<Self> {
        let error = frame.get("error").filter(|error| !error.is_null())?;
        let report = Report::of(error);
        // OpenRouter and Gemini send the status as the code; without one it is the provider's own trouble.
        let status = report.status.unwrap_or(match report.code.as_str() {
            "rate_limit_exceeded" | "rate_limit_error" => 429,
            "invalid_request_error" | "invalid_prompt" => 400,
            _ => 500,
        });
        Some(Self::classify(status, None, &report))
    }

    fn classify(status: u16, retry_after: Option<Duration>, report: &Report) -> Self {
        let detail =
            if report.code.is_empty() { status.to_string() } else { format!("{status} {}", report.code) };
        if report.context_too_long {
            return Self::ContextTooLong;
        }
        if report.content_filter {
            return Self::ContentFilter;
        }
        match status {
            _ if report.no_quota => Self::Refused(detail),
            401..=403 | 407 => Self::Refused(detail),
            404 => Self::ModelNotFound(detail),
            429 => Self::RateLimited { retry_after },
            408 | 409 | 425 | 500..=599 => Self::Overloaded { detail, retry_after },
            _ => Self::BadResponse(detail),
        }
    }
}

impl ServiceFailure for ModelError {
    /// A model that gave no first token in time is not asked again: the ladder below it is faster.
    fn worth_another_attempt(&self) -> bool {
        match self {
            Self::Timeout(deadline) => matches!(deadline, Deadline::Connect),
            Self::CircuitOpen => false,
            _ => self.retryable(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Overloaded { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn blames_service(&self) -> bool {
        match self {
            Self::Overloaded { .. }
            | Self::Unreachable(_)
            | Self::Timeout(_)
            | Self::Cut
            | Self::BadResponse(_) => true,
            Self::Refused(_)
            | Self::ModelNotFound(_)
            | Self::RateLimited { .. }
            | Self::ContextTooLong
            | Self::ContentFilter
            | Self::CircuitOpen => false,
        }
    }

    fn is_circuit_open(&self) -> bool {
        matches!(self, Self::CircuitOpen)
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        error.of_service("model")
    }
}

/// What a provider's error says, in any of the shapes that are about.
#[derive(Debug, Default)]
struct Report {
    status: Option<u16>,
    code: String,
    context_too_long: bool,
    content_filter: bool,
    no_quota: bool,
}

/// Names that providers give a context that is too long: codes first (OpenAI and Azure, llama.cpp), then the words of
/// servers that have no code for it (vLLM, Ollama, Anthropic's and Google's compatible faces).
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size",
    "string_above_max_length",
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "input token count",
    "too many tokens",
];

impl Report {
    /// The report in an error body: `{"error": {…}}`, `[{"error": {…}}]`, `{"error": "…"}`, `{"message": "…"}`,
    /// `{"detail": "…"}`.
    fn find(body: &Value) -> Option<Self> {
        let body = body.get(0).unwrap_or(body);
        Some(Self::of(body.get("error").unwrap_or(body)))
    }

    fn of(error: &Value) -> Self {
        let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let words =
            [error.as_str().unwrap_or_default(), field("message"), field("detail")].join(" ").to_lowercase();
        let codes = [field("code"), field("type"), field("status")];
        let says = |names: &[&str]| {
            names.iter().any(|name| words.contains(name) || codes.iter().any(|code| code.contains(name)))
        };
        let status = error.get("code").and_then(|code| match code {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        });
        Self {
            status: status.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code)),
            code: [field("code"), field("type"), field("param")]
                .into_iter()
                .filter(|code| is_code(code))
                .collect::<Vec<_>>()
                .join(" "),
            context_too_long: says(TOO_LONG),
            content_filter: codes.contains(&"content_filter") || codes.contains(&"content_policy_violation"),
            no_quota: codes.contains(&"insufficient_quota") || codes.contains(&"billing_not_active"),
        }
    }
}

/// Which request field a provider does not take, by its 400: the caller leaves it out or spells it otherwise.
pub(super) fn unsupported_field(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = body.get("error")?;
    let code = error.get("code").and_then(Value::as_str).unwrap_or_default();
    let param = error.get("param").and_then(Value::as_str)?;
    let known = matches!(code, "unsupported_parameter" | "unsupported_value" | "unknown_parameter");
    (known && is_code(param)).then(|| param.to_owned())
}

/// A word a program chose, not a person or a key: keys are longer than any code.
fn is_code(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_uppercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(status: u16, body: &Value) -> ModelError {
        ModelError::from_status(
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.to_string().as_bytes(),
        )
    }

    #[test]
    fn every_provider_s_error_finds_its_kind() {
        let openai = |code: &str| json!({"error": {"message": "…", "type": "x", "code": code}});
        for (name, error, expected) in [
            (
                "401",
                status(401, &openai("invalid_api_key")),
                "refused, check address, key and account: 401 invalid_api_key x",
            ),
            ("402", status(402, &Value::Null), "refused, check address, key and account: 402"),
            (
                "404",
                status(404, &openai("model_not_found")),
                "model or path not found: 404 model_not_found x",
            ),
            ("429", status(429, &openai("rate_limit_exceeded")), "rate limited"),
            (
                "quota",
                status(429, &openai("insufficient_quota")),
                "refused, check address, key and account: 429 insufficient_quota x",
            ),
            ("500", status(500, &json!("oops")), "overloaded: 500"),
            ("529", status(529, &Value::Null), "overloaded: 529"),
            (
                "OpenAI too long",
                status(400, &openai("context_length_exceeded")),
                "context too long for the model",
            ),
            (
                "llama.cpp too long",
                status(
                    400,
                    &json!({"error": {"code": 400, "type": "exceed_context_size_error", "message": "…"}}),
                ),
                "context too long for the model",
            ),
            (
                "vLLM too long",
                status(
                    400,
                    &json!({"object": "error", "message": "This model's maximum context length is 4096 tokens", "code": 400}),
                ),
                "context too long for the model",
            ),
            (
                "Azure filter",
                status(400, &openai("content_filter")),
                "stopped by the provider's content filter",
            ),
            ("Ollama string", status(400, &json!({"error": "invalid message"})), "bad response: 400"),
            ("FastAPI", status(422, &json!({"detail": [{"loc": ["body"]}]})), "bad response: 422"),
            (
                "Gemini list",
                status(403, &json!([{"error": {"code": 403, "status": "PERMISSION_DENIED"}}])),
                "refused, check address, key and account: 403",
            ),
        ] {
            assert_eq!(error.to_string(), expected, "{name}");
        }
    }

    #[test]
    fn errors_inside_the_stream_find_their_kind() {
        for (frame, expected) in [
            (
                json!({"error": {"message": "x", "code": 429}}),
                Some(ModelError::RateLimited { retry_after: None }),
            ),
            (
                json!({"error": {"message": "x", "code": "502"}}),
                Some(ModelError::Overloaded { detail: "502".into(), retry_after: None }),
            ),
            (
                json!({"error": "broken"}),
                Some(ModelError::Overloaded { detail: "500".into(), retry_after: None }),
            ),
            (json!({"error": {"code": "context_length_exceeded"}}), Some(ModelError::ContextTooLong)),
            (json!({"error": null, "choices": []}), None),
            (json!({"choices": []}), None),
        ] {
            assert_eq!(ModelError::from_frame(&frame), expected, "{frame}");
        }
    }

    #[test]
    fn free_text_of_the_provider_is_not_kept() {
        let key = "sk-proj-abcdef";
        let error = status(
            401,
            &json!({"error": {
                "message": format!("Incorrect API key provided: {key}"), "code": key, "type": format!("bad {key}"),
            }}),
        );
        assert!(!format!("{error} {error:?}").contains("sk-proj"), "{error:?}");
    }
}
