//! How one request is treated.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Which requests a scripted behaviour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endpoint {
    /// The next of any kind.
    #[default]
    Any,
    /// The next chat completion.
    Chat,
    /// The next embeddings.
    Embeddings,
}

/// How one request is treated. As text: `name` or `name=value`, with commas between: `cut-after=20,crlf`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Behaviour {
    /// Which requests it is for.
    pub on: Endpoint,
    /// An error with this status instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error's code, with `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `Retry-After` in seconds, with `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<f64>,
    /// The connection is closed without any answer.
    pub hang_up: bool,
    /// So many milliseconds until the head of the response.
    pub slow_head: u64,
    /// So many milliseconds from the head to the first token, instead of the server's setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_token: Option<u64>,
    /// Instead of the server's setting; 0 is as fast as it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_second: Option<f64>,
    /// The answer's length in tokens, instead of the server's setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<usize>,
    /// The answer's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The connection breaks after so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_after: Option<usize>,
    /// The connection breaks after so many bytes of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_bytes: Option<usize>,
    /// The body ends properly, but early, after so many tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_after: Option<usize>,
    /// After so many tokens comes an error frame instead of the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_frame: Option<usize>,
    /// After so many tokens comes a frame that is no JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub garbage: Option<usize>,
    /// After `stall-at` tokens (default 1) nothing comes for so many milliseconds.
    pub stall: u64,
    /// Where it stalls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_at: Option<usize>,
    /// After so many tokens (before anything, where the answer is an error) nothing comes until `POST /control/release`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<usize>,
    /// No `[DONE]`.
    pub no_done: bool,
    /// No `finish_reason`.
    pub no_finish: bool,
    /// No usage, although it was asked for.
    pub no_usage: bool,
    /// `stream: true` is ignored.
    pub no_stream: bool,
    /// Every byte is sent on its own.
    pub split: bool,
    /// CRLF instead of LF.
    pub crlf: bool,
    /// A byte order mark first.
    pub bom: bool,
    /// Comments and empty events between the frames.
    pub comments: bool,
    /// A web page instead of an answer.
    pub html: bool,
    /// The reason the answer ends for, instead of `stop` or `length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// A call of this tool instead of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<String>,
}

/// What starts a behaviour in a message.
const MARKER: &str = "!fault:";

impl Behaviour {
    /// Reads the text form.
    ///
    /// # Errors
    /// Which name is unknown, or which value is of the wrong type.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut fields = Map::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = match part.split_once('=') {
                None => (part, Value::Bool(true)),
                Some((name, value)) => {
                    (name, serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())))
                }
            };
            fields.insert(name.to_owned(), value);
        }
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
    }

    /// Reads one of a script: an object or the text form.
    pub(super) fn from_json(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => Self::parse(&text),
            value => serde_json::from_value(value).map_err(|error| error.to_string()),
        }
    }

    /// Reads the markers in a message; `None` when there are none.
    pub(super) fn in_message(text: &str) -> Result<Option<Self>, String> {
        let faults: Vec<&str> =
            text.split_whitespace().filter_map(|word| word.strip_prefix(MARKER)).collect();
        if faults.is_empty() { Ok(None) } else { Self::parse(&faults.join(",")).map(Some) }
    }

    /// The message without its markers.
    pub(super) fn without_markers(text: &str) -> String {
        if !text.contains(MARKER) {
            return text.to_owned();
        }
        text.split_inclusive(char::is_whitespace).filter(|word| !word.starts_with(MARKER)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_read() {
        let expected = Behaviour {
            cut_after: Some(20),
            crlf: true,
            finish: Some("length".into()),
            ..Behaviour::default()
        };
        assert_eq!(Behaviour::parse("cut-after=20, crlf,finish=length"), Ok(expected));
        assert_eq!(Behaviour::parse(""), Ok(Behaviour::default()));
    }

    #[test]
    fn an_unknown_name_is_said() {
        assert!(Behaviour::parse("cut-atfer=20").unwrap_err().contains("cut-atfer"));
        assert!(Behaviour::parse("cut-after=soon").is_err());
    }

    #[test]
    fn markers_are_read_and_taken_out() {
        let text = "When do you open? !fault:stall=5 !fault:crlf";
        let expected = Behaviour { stall: 5, crlf: true, ..Behaviour::default() };
        assert_eq!(Behaviour::in_message(text), Ok(Some(expected)));
        assert_eq!(Behaviour::without_markers(text).trim(), "When do you open?");
        assert_eq!(Behaviour::in_message("When?"), Ok(None));
    }
}
