//! The frames of a socket: JSON text, one object each, told apart by `t`.

use frontdesk_domain::conversation::{Author, Epoch, Seq};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::event::Frame;
use frontdesk_domain::id::{ConversationId, UploadId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::call::{parse_json, unfit};
use crate::problem::Problem;

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Begins, or begins again: everything after a `seq`, then live.
    Hello(HelloFrame),
    /// Posts a message.
    Send(SendFrame),
    /// Tells the others that the sender began or ceased to write.
    Typing(TypingFrame),
    /// Notes up to where the sender has read.
    Read(ReadFrame),
    /// Asks for `pong`.
    Ping(PingFrame),
}

/// Begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HelloFrame {
    /// The last `seq` the client has; 0 for none.
    pub after: Seq,
}

/// A message to be posted, as over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendFrame {
    /// The sender's id of the message: the same id again is the same message.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$")]
    pub client_id: String,
    /// Its text.
    pub text: String,
    /// Uploads it refers to.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub attachments: Vec<UploadId>,
}

/// Began or ceased to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypingFrame {
    /// Began, or ceased.
    pub on: bool,
}

/// Up to where the sender has read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadFrame {
    /// The last `seq` read.
    pub seq: Seq,
}

/// Nothing but its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PingFrame {}

impl ClientFrame {
    /// Reads a frame.
    ///
    /// # Errors
    /// 400 when it is no JSON; 422 naming the field when it is no frame.
    pub fn parse(text: &str) -> Result<Self> {
        let mut fields: Map<String, Value> = parse_json(text.as_bytes())?;
        let kind = fields.remove("t");
        match kind.as_ref().and_then(Value::as_str) {
            Some("hello") => of(fields).map(Self::Hello),
            Some("send") => of(fields).map(Self::Send),
            Some("typing") => of(fields).map(Self::Typing),
            Some("read") => of(fields).map(Self::Read),
            Some("ping") => of(fields).map(Self::Ping),
            _ => Err(Error::invalid("/t", "must be one of hello, send, typing, read, ping")),
        }
    }
}

fn of<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T> {
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(unfit)
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The answer to `hello`; stored events after its `after` follow.
    Welcome {
        /// The conversation.
        conversation: ConversationId,
        /// The `seq` of its last event.
        last_seq: Seq,
        /// The current epoch.
        epoch: Epoch,
        /// Who is connected. Visitors see operators, by name.
        participants: Vec<Author>,
    },
    /// A stored event, or what is told and not stored: `turn.delta`, `typing`, `presence`.
    Event(Frame),
    /// A message is stored.
    Ack {
        /// The sender's id of it.
        client_id: String,
        /// Where it stands.
        seq: Seq,
    },
    /// Events that cannot be had any more.
    Gap {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// The answer to `ping`.
    Pong,
    /// A frame was refused.
    Error {
        /// The message, when a `send` was.
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<String>,
        /// Why.
        #[serde(flatten)]
        problem: Problem,
    },
}

impl ServerFrame {
    /// The text that is sent.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
