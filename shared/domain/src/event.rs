//! What happens in a conversation, as it is stored and as it goes over the wire.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::answer::{Citation, Outcome, Usage};
use crate::conversation::{Author, Epoch, Message, Mode, Seq, Status};
use crate::id::{MessageId, TurnId, UserId};
use crate::time::Timestamp;

/// A stored event. Its `seq` was assigned in the transaction that stored it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// Position in the conversation, dense from 1.
    pub seq: Seq,
    /// When it was stored; never before the event ahead of it.
    pub at: Timestamp,
    /// The epoch it was stored in.
    pub epoch: Epoch,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind")]
pub enum EventBody {
    /// A message was accepted.
    #[serde(rename = "message.created")]
    MessageCreated {
        /// The message.
        message: Message,
    },
    /// The AI began to answer everything up to `answers`.
    #[serde(rename = "turn.started")]
    TurnStarted {
        /// The turn.
        turn: TurnId,
        /// The `seq` of the last visitor message that it answers.
        answers: Seq,
    },
    /// The AI's answer is complete, or given up. Its message, if any, is the event before.
    #[serde(rename = "turn.finished")]
    TurnFinished {
        /// The turn.
        turn: TurnId,
        /// How it ended.
        outcome: Outcome,
        /// The answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
        /// What the answer refers to.
        #[serde(default)]
        citations: Vec<Citation>,
        /// What it used; absent when no model was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
    },
    /// Somebody else may speak now; the epoch grew.
    #[serde(rename = "mode.changed")]
    ModeChanged {
        /// Who may speak.
        mode: Mode,
        /// Who changed it.
        by: Author,
    },
    /// An operator took it or gave it away.
    #[serde(rename = "assigned")]
    Assigned {
        /// To whom; nobody when absent.
        #[serde(default)]
        assignee: Option<UserId>,
        /// Who did.
        by: Author,
    },
    /// Its labels are now these.
    #[serde(rename = "labelled")]
    Labelled {
        /// All labels.
        labels: Vec<String>,
        /// Who did.
        by: Author,
    },
    /// Where it stands changed.
    #[serde(rename = "status.changed")]
    StatusChanged {
        /// Where it stands.
        status: Status,
        /// Who did.
        by: Author,
    },
    /// It was put aside.
    #[serde(rename = "snoozed")]
    Snoozed {
        /// Until when.
        until: Timestamp,
        /// Who did.
        by: Author,
    },
    /// The visitor rated the conversation or one message.
    #[serde(rename = "rated")]
    Rated {
        /// Stars, 1 to 5, for the conversation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        score: Option<u8>,
        /// The message, when one message was rated.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
        /// Thumb up or down, for a message.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rating: Option<Thumb>,
        /// The visitor's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// Somebody has read everything up to `upto`.
    #[serde(rename = "read")]
    Read {
        /// Who.
        by: Author,
        /// The last `seq` read.
        upto: Seq,
    },
    /// Something this listener may not see (a private note). It is there so that `seq` stays dense for everybody.
    #[serde(rename = "hidden")]
    Hidden {},
}

/// Thumb up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Thumb {
    /// Helpful.
    Up,
    /// Not helpful.
    Down,
}

impl Event {
    /// The event as a visitor may see it.
    #[must_use]
    pub fn for_visitor(self: &Rc<Self>) -> Rc<Self> {
        if self.body.visible_to_visitor() {
            return Rc::clone(self);
        }
        Rc::new(Self { seq: self.seq, at: self.at, epoch: self.epoch, body: EventBody::Hidden {} })
    }
}

impl EventBody {
    /// The name of the kind, as on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MessageCreated { .. } => "message.created",
            Self::TurnStarted { .. } => "turn.started",
            Self::TurnFinished { .. } => "turn.finished",
            Self::ModeChanged { .. } => "mode.changed",
            Self::Assigned { .. } => "assigned",
            Self::Labelled { .. } => "labelled",
            Self::StatusChanged { .. } => "status.changed",
            Self::Snoozed { .. } => "snoozed",
            Self::Rated { .. } => "rated",
            Self::Read { .. } => "read",
            Self::Hidden {} => "hidden",
        }
    }

    /// Whether a visitor may see it: private notes are for operators.
    #[must_use]
    pub const fn visible_to_visitor(&self) -> bool {
        match self {
            Self::MessageCreated { message } => !message.note,
            Self::Assigned { .. } | Self::Labelled { .. } | Self::Snoozed { .. } => false,
            _ => true,
        }
    }
}

/// A piece of an answer in progress. Not stored, no `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Delta {
    /// The turn.
    pub turn: TurnId,
    /// Where `text` begins in the answer so far, in UTF-8 bytes. The first delta a listener gets has 0 and carries
    /// the whole answer so far.
    pub offset: u64,
    /// The piece.
    pub text: String,
}

/// What a listener of a room gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A stored event.
    Event(Rc<Event>),
    /// A piece of the answer in progress.
    Delta(Rc<Delta>),
}

/// The frames that are not stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Live {
    #[serde(rename = "turn.delta")]
    Delta(Rc<Delta>),
}

impl Frame {
    /// The JSON object of the wire, with its `kind`.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Event(event) => serde_json::to_string(event.as_ref()),
            Self::Delta(delta) => serde_json::to_string(&Live::Delta(Rc::clone(delta))),
        }
        .unwrap_or_default()
    }

    /// What [`Frame::to_json`] wrote.
    ///
    /// # Errors
    /// When it is another text.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Live(Live),
            Event(Rc<Event>),
        }
        Ok(match serde_json::from_str(text)? {
            Either::Live(Live::Delta(delta)) => Self::Delta(delta),
            Either::Event(event) => Self::Event(event),
        })
    }
}
