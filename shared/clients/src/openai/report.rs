//! What a provider's error says, in any of the shapes that are about.

use serde_json::Value;

use super::words;

/// How deep errors are wrapped into each other, and how many texts of one are read.
const MAX_DEPTH: u32 = 6;
const MAX_TEXTS: usize = 40;

/// What is wrong, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The context is too long.
    ContextTooLong,
    /// The provider's filter stepped in.
    Filtered,
    /// There is no quota or no money left.
    NoQuota,
    /// The key or the account is refused.
    Refused,
    /// There is no such model.
    NoModel,
    /// Too many requests.
    Limited,
}

/// A provider's error.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The status that it names.
    pub status: Option<u16>,
    /// Its codes, when they look like codes.
    pub code: String,
    /// Its own words, masked.
    pub words: String,
    /// How many tokens the model takes, when it says so.
    pub context_tokens: Option<u32>,
    /// What is wrong.
    pub cause: Option<Cause>,
    /// Names of fields that it speaks of, those that it names as such first.
    pub fields: Vec<String>,
    /// All that it says, in small letters, for what is looked for in it.
    lower: String,
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
    "prompt too long",
    "input is too long",
    "input length",
    "input token count",
    "too many tokens",
    "too many input tokens",
    "reduce the length of the messages",
    "input is too large to process",
    "must have less than",
    "maximum sequence length",
];
const FILTERED: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "content management policy",
    "responsibleai",
    "data_inspection_failed",
    "inappropriate content",
    "moderation",
    "was flagged",
    "content policy",
    "safety system",
    "prohibited_content",
];
const NO_QUOTA: &[&str] = &[
    "insufficient_quota",
    "billing_not_active",
    "insufficient credit",
    "insufficient balance",
    "insufficient funds",
    "credit balance",
    "payment required",
    "current quota",
    "quota exceeded",
    "quota_exceeded",
    "arrearage",
];
const REFUSED: &[&str] = &[
    "api key",
    "api_key",
    "apikey",
    "unauthorized",
    "not authenticated",
    "authentication",
    "access denied",
    "permission denied",
    "permission_denied",
    "invalid token",
];
const LIMITED: &[&str] =
    &["rate limit", "rate_limit", "too many requests", "tokens per min", "requests per min"];
const NO_MODEL: &[&str] = &[
    "not found",
    "not_found",
    "does not exist",
    "doesn't exist",
    "no such model",
    "unknown model",
    "invalid model",
    "decommissioned",
    "not available",
    "is not supported",
];
/// After these words stands how many tokens a model takes.
const LIMIT_AFTER: &[&str] = &[
    "maximum context length is",
    "maximum context length of",
    "context length of",
    "context length is",
    "context window of",
    "context window is",
    "n_ctx",
    "context size (",
    "context size of",
    "maximum allowed number of tokens",
    "maximum number of tokens allowed (",
    "tokens >",
    "maximum sequence length",
    "must have less than",
];

impl Report {
    /// The error in a body that has an error's status. It may be cut short, and need not be JSON.
    pub(super) fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let trimmed = text.trim();
                let text = if trimmed.starts_with('<') {
                    words::of_page(trimmed)
                } else {
                    trimmed.chars().take(2000).collect()
                };
                Self::of(&Value::String(text))
            }
        }
    }

    /// The error inside of an answer with status 200; `None` when there is none.
    pub(super) fn of_frame(frame: &Value) -> Option<Self> {
        let says = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        };
        let field = |name: &str| frame.get(name).filter(|value| says(value));
        if let Some(error) = field("error") {
            let mut report = Self::of(error);
            report.status = report.status.or_else(|| status(frame));
            return Some(report);
        }
        if let Some(error) =
            frame.get("choices").and_then(|choices| choices.get(0)?.get("error")).filter(|error| says(error))
        {
            return Some(Self::of(error));
        }
        let is_ping = frame.get("type").and_then(Value::as_str) == Some("ping");
        if is_ping || frame.get("choices").is_some() || frame.get("usage").is_some() {
            return None;
        }
        let is = |name: &str, words: &[&str]| {
            frame
                .get(name)
                .and_then(Value::as_str)
                .is_some_and(|text| words.contains(&text.to_ascii_lowercase().as_str()))
        };
        let marked = is("object", &["error"])
            || is("type", &["error"])
            || is("status", &["error", "fail", "failed", "failure"]);
        let told = ["errors", "detail", "message", "error_msg", "errorMessage", "msg", "base_resp"];
        let told = told
            .iter()
            .any(|name| field(name).is_some_and(|value| !value.is_boolean() && !value.is_number()));
        (marked || told || status(frame).is_some()).then(|| Self::of(frame))
    }

    /// The report in an error: an object, a list of them, or a text.
    pub(super) fn of(error: &Value) -> Self {
        let mut texts = ReportTexts::default();
        texts.read("", error, 0);
        let ReportTexts { words: said, codes, fields, .. } = texts;
        let lower = said.iter().chain(&codes).map(|text| text.to_lowercase()).collect::<Vec<_>>().join(" ");
        let mut report = Self {
            status: texts.status,
            code: codes.iter().filter(|code| is_code(code)).take(3).cloned().collect::<Vec<_>>().join(" "),
            words: words::masked(&said.join("; ")),
            fields,
            lower,
            ..Self::default()
        };
        report.context_tokens = report.limit();
        report.cause = report.find_cause();
        report
    }

    /// Whether it says one of these.
    pub(super) fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.lower.contains(word))
    }

    /// The first of `sent` that it speaks of, or names as a field.
    pub(super) fn field(&self, sent: &[&'static str]) -> Option<&'static str> {
        let named = |name: &str| {
            sent.iter().find(|field| name.split(['.', '[', '/']).any(|part| part == **field)).copied()
        };
        if let Some(field) = self.fields.iter().find_map(|name| named(name)) {
            return Some(field);
        }
        self.lower.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).find_map(|word| {
            sent.iter().find(|field| **field == word || (**field == "stream" && word == "streaming")).copied()
        })
    }

    /// The number behind the first of `after` that is there.
    pub(super) fn number(&self, after: &[&str]) -> Option<u32> {
        after.iter().find_map(|phrase| {
            let (_, rest) = self.lower.split_once(phrase)?;
            let rest: String = rest.chars().take(60).collect();
            let digits: String = rest
                .trim_start_matches(|letter: char| !letter.is_ascii_digit())
                .chars()
                .take_while(|letter| letter.is_ascii_digit() || *letter == ',')
                .filter(char::is_ascii_digit)
                .collect();
            digits.parse().ok()
        })
    }

    fn limit(&self) -> Option<u32> {
        self.number(LIMIT_AFTER).filter(|tokens| (256..=10_000_000).contains(tokens))
    }

    fn find_cause(&self) -> Option<Cause> {
        let model = self.lower.contains("model")
            && self.says(NO_MODEL)
            && !self.says(&["parameter", "role", "argument", "value"]);
        [
            (self.says(TOO_LONG), Cause::ContextTooLong),
            (self.says(FILTERED), Cause::Filtered),
            (self.says(NO_QUOTA), Cause::NoQuota),
            (self.says(LIMITED), Cause::Limited),
            (model, Cause::NoModel),
            (self.says(REFUSED), Cause::Refused),
        ]
        .into_iter()
        .find_map(|(is, cause)| is.then_some(cause))
    }
}

fn status(value: &Value) -> Option<u16> {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    ["code", "status", "status_code", "statusCode"]
        .iter()
        .filter_map(|name| number(value.get(name)?))
        .find_map(|code| u16::try_from(code).ok().filter(|code| (400..600).contains(code)))
}

/// The texts of an error.
#[derive(Default)]
struct ReportTexts {
    status: Option<u16>,
    words: Vec<String>,
    codes: Vec<String>,
    fields: Vec<String>,
    count: usize,
}

impl ReportTexts {
    fn read(&mut self, name: &str, value: &Value, depth: u32) {
        if depth > MAX_DEPTH || self.count >= MAX_TEXTS {
            return;
        }
        let deeper = depth.saturating_add(1);
        match value {
            Value::Object(fields) => {
                self.status = self.status.or_else(|| status(value));
                for (name, value) in fields {
                    self.read(name, value, deeper);
                }
            }
            Value::Array(items) if name == "loc" => {
                self.fields.extend(items.iter().filter_map(Value::as_str).take(8).map(str::to_owned));
            }
            Value::Array(items) => items.iter().take(8).for_each(|value| self.read(name, value, deeper)),
            Value::String(text) => self.text(name, text, deeper),
            Value::Number(number) if name == "n_ctx" => self.words.push(format!("n_ctx {number}")),
            _ => {}
        }
    }

    fn text(&mut self, name: &str, text: &str, depth: u32) {
        self.count = self.count.saturating_add(1);
        let text = text.trim();
        if text.starts_with(['{', '['])
            && let Ok(inner) = serde_json::from_str::<Value>(text)
        {
            return self.read(name, &inner, depth);
        }
        // What was asked may be repeated there.
        if matches!(name, "input" | "flagged_input" | "prompt" | "request" | "body") || text.is_empty() {
            return;
        }
        if matches!(name, "param" | "parameter" | "field") {
            self.fields.push(text.to_owned());
        }
        if is_code(text) {
            self.codes.push(text.to_owned());
        } else if !matches!(name, "code" | "type" | "status" | "param" | "id" | "request_id" | "object") {
            let text: String = text.chars().take(600).collect();
            if !self.words.contains(&text) {
                self.words.push(text);
            }
        }
    }
}

/// A word a program chose, not a person or a key: keys are longer than any code.
fn is_code(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_uppercase() || matches!(byte, b'_' | b'.'))
}
