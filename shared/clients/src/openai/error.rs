//! Why a model did not answer.
//!
//! A provider's own words are kept for the log, masked: they may repeat the key or the visitor's words.

use std::time::Duration;

use frontdesk_domain::error::Error;
use frontdesk_ports::{CallOutcome, FetchError};
use http::StatusCode;
use serde_json::Value;

use super::report::{Cause, Report};
use super::words;
use crate::retry::ServiceFailure;

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
    #[error("rate limited: {detail}")]
    RateLimited {
        /// The status, and what the provider says.
        detail: String,
        /// How long the provider wants us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider has trouble (5xx).
    #[error("overloaded: {detail}")]
    Overloaded {
        /// The status or code, and what the provider says.
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
    /// The answer cannot be read.
    #[error("bad response: {0}")]
    BadResponse(String),
    /// The answer is longer than any that is read.
    #[error("answer or frame over {0} bytes")]
    TooLong(u64),
    /// The provider does not take this request (400, 413, 422).
    #[error("request not taken: {0}")]
    Request(String),
    /// The context is longer than the model takes.
    #[error("context too long for the model: {detail}")]
    ContextTooLong {
        /// What the provider says.
        detail: String,
        /// How many tokens it takes, answer included, when it says so.
        limit: Option<u32>,
    },
    /// The provider's own filter stepped in. Text that was shown before has to be withdrawn.
    #[error("stopped by the provider's content filter: {0}")]
    ContentFilter(String),
    /// The answer is whole and has no text.
    #[error("an answer without text: {detail}")]
    Empty {
        /// What it had instead.
        detail: String,
        /// Whether the limit of tokens ended it.
        length: bool,
    },
    /// The circuit is open: the provider was not asked.
    #[error("circuit open")]
    CircuitOpen,
}

impl ModelError {
    /// In a word, for metrics and for operators: one of a few.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::ModelNotFound(_) => "model_not_found",
            Self::RateLimited { .. } => "rate_limited",
            Self::Overloaded { .. } => "overloaded",
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(Deadline::Connect) => "timeout_connect",
            Self::Timeout(Deadline::FirstToken) => "timeout_first_token",
            Self::Timeout(Deadline::Gap) => "timeout_gap",
            Self::Timeout(Deadline::Whole) => "timeout_answer",
            Self::Cut => "cut",
            Self::BadResponse(_) => "unreadable",
            Self::TooLong(_) => "too_long",
            Self::Request(_) => "request_not_taken",
            Self::ContextTooLong { .. } => "context_too_long",
            Self::ContentFilter(_) => "content_filter",
            Self::Empty { .. } => "empty",
            Self::CircuitOpen => "circuit_open",
        }
    }

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
            | Self::TooLong(_)
            | Self::Request(_)
            | Self::ContextTooLong { .. }
            | Self::ContentFilter(_)
            | Self::Empty { .. } => false,
        }
    }

    /// What it says of the service.
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
            Self::Request(_) | Self::ContextTooLong { .. } => CallOutcome::Rejected,
            Self::Empty { .. } => CallOutcome::Empty,
            Self::ContentFilter(_) | Self::TooLong(_) => CallOutcome::Ok,
        }
    }

    /// As an error of `service` (`model` or `embeddings`).
    #[must_use]
    pub fn of_service(self, service: &'static str) -> Error {
        Error::Upstream { service, retryable: self.retryable(), detail: self.to_string() }
    }

    /// The same without the words of whoever asked.
    pub(super) fn without(mut self, said: &str) -> Self {
        if let Self::Refused(detail)
        | Self::ModelNotFound(detail)
        | Self::RateLimited { detail, .. }
        | Self::Overloaded { detail, .. }
        | Self::BadResponse(detail)
        | Self::Request(detail)
        | Self::ContextTooLong { detail, .. }
        | Self::ContentFilter(detail)
        | Self::Empty { detail, .. } = &mut self
        {
            *detail = words::without(detail, said);
        }
        self
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
            FetchError::TooLarge(limit) => Self::TooLong(*limit),
            FetchError::Refused(_) => Self::Refused("address not allowed".to_owned()),
            FetchError::CircuitOpen => Self::CircuitOpen,
        }
    }

    /// From an answer with an error status.
    pub(super) fn from_status(status: StatusCode, retry_after: Option<Duration>, report: &Report) -> Self {
        Self::classify(status.as_u16(), retry_after, report)
    }

    /// From an error inside an answer with status 200; `None` when there is none.
    pub(super) fn from_frame(frame: &Value) -> Option<Self> {
        Report::of_frame(frame).map(|report| Self::from_report(&report))
    }

    /// From an error that came where the answer should be.
    pub(super) fn from_report(report: &Report) -> Self {
        // OpenRouter and Gemini send the status as the code; without one it is the provider's own trouble.
        let status = report.status.unwrap_or_else(|| match report.cause {
            Some(Cause::Limited) => 429,
            Some(Cause::NoModel) => 404,
            Some(Cause::Refused) => 401,
            _ if report.says(&["invalid_request_error", "invalid_prompt"]) => 400,
            _ => 500,
        });
        Self::classify(status, None, report)
    }

    fn classify(status: u16, retry_after: Option<Duration>, report: &Report) -> Self {
        let mut detail =
            if report.code.is_empty() { status.to_string() } else { format!("{status} {}", report.code) };
        if !report.words.is_empty() {
            detail = format!("{detail}: {}", report.words);
        }
        match (report.cause, status) {
            (Some(Cause::ContextTooLong), _) => Self::ContextTooLong { detail, limit: report.context_tokens },
            (Some(Cause::Filtered), _) => Self::ContentFilter(detail),
            (Some(Cause::NoQuota), _) | (Some(Cause::Refused), 400) | (_, 401..=403 | 407) => {
                Self::Refused(detail)
            }
            (Some(Cause::NoModel), 400) | (_, 404 | 405 | 410) => Self::ModelNotFound(detail),
            (_, 429) => Self::RateLimited { detail, retry_after },
            (_, 408 | 409 | 425 | 500..=599) => Self::Overloaded { detail, retry_after },
            (_, 400..=499) => Self::Request(detail),
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
            Self::RateLimited { retry_after, .. } | Self::Overloaded { retry_after, .. } => *retry_after,
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
            | Self::TooLong(_)
            | Self::Request(_)
            | Self::ContextTooLong { .. }
            | Self::ContentFilter(_)
            | Self::Empty { .. }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(status: u16, body: &Value) -> ModelError {
        let report = Report::of_body(body.to_string().as_bytes());
        ModelError::from_status(StatusCode::from_u16(status).unwrap(), None, &report)
    }

    #[test]
    fn every_provider_s_error_finds_its_kind() {
        let openai = |code: &str| json!({"error": {"message": "…", "type": "x", "code": code}});
        for (name, error, expected) in [
            ("401", status(401, &openai("invalid_api_key")), "refused"),
            ("402", status(402, &Value::Null), "refused"),
            ("404", status(404, &openai("model_not_found")), "model_not_found"),
            ("429", status(429, &openai("rate_limit_exceeded")), "rate_limited"),
            ("quota", status(429, &openai("insufficient_quota")), "refused"),
            ("500", status(500, &json!("oops")), "overloaded"),
            ("529", status(529, &Value::Null), "overloaded"),
            ("413", status(413, &Value::Null), "request_not_taken"),
            ("OpenAI too long", status(400, &openai("context_length_exceeded")), "context_too_long"),
            (
                "llama.cpp too long",
                status(
                    400,
                    &json!({"error": {"code": 400, "type": "exceed_context_size_error", "message": "…", "n_ctx": 4096}}),
                ),
                "context_too_long",
            ),
            (
                "vLLM too long",
                status(
                    400,
                    &json!({"object": "error", "message": "This model's maximum context length is 4096 tokens", "code": 400}),
                ),
                "context_too_long",
            ),
            ("Azure filter", status(400, &openai("content_filter")), "content_filter"),
            (
                "OpenRouter moderation",
                status(
                    403,
                    &json!({"error": {"code": 403, "message": "requires moderation. Your input was flagged", "metadata": {"flagged_input": "x"}}}),
                ),
                "content_filter",
            ),
            ("Ollama string", status(400, &json!({"error": "invalid message"})), "request_not_taken"),
            ("FastAPI", status(422, &json!({"detail": [{"loc": ["body"]}]})), "request_not_taken"),
            (
                "Gemini list",
                status(403, &json!([{"error": {"code": 403, "status": "PERMISSION_DENIED"}}])),
                "refused",
            ),
            (
                "Gemini key",
                status(
                    400,
                    &json!([{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}]),
                ),
                "refused",
            ),
            (
                "400 of a model",
                status(400, &json!({"error": {"message": "The model `x` does not exist"}})),
                "model_not_found",
            ),
        ] {
            assert_eq!(error.name(), expected, "{name}: {error}");
        }
    }

    #[test]
    fn errors_inside_the_stream_find_their_kind() {
        for (frame, expected) in [
            (json!({"error": {"message": "x", "code": 429}}), Some("rate_limited")),
            (json!({"error": {"message": "x", "code": "502"}}), Some("overloaded")),
            (json!({"error": "broken"}), Some("overloaded")),
            (json!({"error": {"code": "context_length_exceeded"}}), Some("context_too_long")),
            (
                json!({"object": "error", "message": "EngineCore encountered an issue", "code": 500}),
                Some("overloaded"),
            ),
            (
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
                Some("overloaded"),
            ),
            (json!({"detail": "Not authenticated"}), Some("refused")),
            (json!({"error": "model 'x' not found"}), Some("model_not_found")),
            (json!({"status": "error", "message": "quota exceeded"}), Some("refused")),
            (
                json!({"choices": [{"index": 0, "error": {"code": 502, "message": "gone"}, "finish_reason": "error"}]}),
                Some("overloaded"),
            ),
            (
                json!({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
                Some("refused"),
            ),
            (json!({"error": null, "choices": []}), None),
            (json!({"error": {}, "choices": []}), None),
            (json!({"choices": []}), None),
            (json!({"type": "ping"}), None),
            (json!({"choices": [], "usage": {}, "message": "x"}), None),
        ] {
            assert_eq!(ModelError::from_frame(&frame).map(|error| error.name()), expected, "{frame}");
        }
    }

    #[test]
    fn the_limit_of_a_context_is_read() {
        for (words, limit) in [
            ("This model's maximum context length is 4096 tokens. However, you requested 9000", Some(4096)),
            ("prompt is too long: 210000 tokens > 200000 maximum", Some(200_000)),
            (
                "The input token count (40000) exceeds the maximum number of tokens allowed (32,768).",
                Some(32_768),
            ),
            ("the request exceeds the available context size (8192 tokens)", Some(8192)),
            ("maximum context", None),
        ] {
            let error = status(400, &json!({"error": {"message": words}}));
            assert!(
                matches!(error, ModelError::ContextTooLong { limit: found, .. } if found == limit),
                "{words}: {error:?}"
            );
        }
    }

    #[test]
    fn a_field_that_is_refused_is_found_in_anyone_s_words() {
        let sent = ["max_tokens", "temperature", "stream_options", "stream"];
        for (body, field) in [
            (
                json!({"error": {"message": "Unsupported parameter: 'max_tokens' … Use 'max_completion_tokens'", "param": "max_tokens"}}),
                Some("max_tokens"),
            ),
            (
                json!({"error": {"message": "Unsupported value: 'temperature' does not support 0.2", "param": null}}),
                Some("temperature"),
            ),
            (
                json!({"error": {"message": "Unrecognized request argument supplied: stream_options", "param": null}}),
                Some("stream_options"),
            ),
            (
                json!({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}}),
                Some("stream_options"),
            ),
            (
                json!({"error": {"message": "Provider returned error", "metadata": {"raw": "{\"error\":{\"message\":\"temperature is deprecated\"}}"}}}),
                Some("temperature"),
            ),
            (json!({"detail": "Streaming is not supported"}), Some("stream")),
            (json!({"error": {"message": "bad"}}), None),
        ] {
            assert_eq!(Report::of_body(body.to_string().as_bytes()).field(&sent), field, "{body}");
        }
    }

    #[test]
    fn the_provider_s_words_are_kept_without_what_is_secret() {
        let key = "sk-proj-abcdef";
        let error = status(
            401,
            &json!({"error": {
                "message": format!("Incorrect API key provided: {key}"), "code": key, "type": format!("bad {key}"),
            }}),
        );
        assert_eq!(error, ModelError::Refused("401: Incorrect API key provided: …".into()));
        let error = status(400, &json!({"error": {"message": "cannot say: where is my parcel now"}}));
        assert_eq!(
            error.without("So where is my parcel now?").to_string(),
            "request not taken: 400: cannot say: …"
        );
    }
}
