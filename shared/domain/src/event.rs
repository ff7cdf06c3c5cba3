//! What happens in a conversation, as it is stored and as it goes over the wire.
//!
//! A log outlives the versions that write it. What a newer version wrote is kept and passed on by this one, see
//! [`stored`]: an unknown kind as [`EventBody::Unknown`], unknown fields and values as [`Event::extra`].

mod stored;

pub(crate) use stored::author_kind;

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{Citation, Outcome, Usage};
use crate::conversation::{Author, AuthorKind, Epoch, Message, Mode, Priority, Seq, Status};
use crate::id::{MessageId, TurnId, UserId};
use crate::time::Timestamp;

/// A stored event. Its `seq` was assigned in the transaction that stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Position in the conversation, dense from 1.
    pub seq: Seq,
    /// When it was stored; never before the event ahead of it.
    pub at: Timestamp,
    /// The epoch it was stored in.
    pub epoch: Epoch,
    /// What happened.
    pub body: EventBody,
    /// What a newer version wrote into it and this one does not know: the fields that `body` lacks, and those whose values it
    /// stands in for. They are laid over `body` wherever the event is stored or passed on, except to visitors.
    pub extra: Option<Box<Map<String, Value>>>,
}

/// What happened.
// `remote` makes functions of this name instead of the traits, which know of `Unknown`: see [`stored`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", remote = "Self")]
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
        #[serde(deserialize_with = "stored::outcome")]
        outcome: Outcome,
        /// The answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<MessageId>,
        /// What the answer refers to.
        #[serde(default)]
        citations: Vec<Citation>,
        /// What the visitor might ask instead, where the documents had no answer. Absent when there is nothing to offer.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        suggestions: Vec<String>,
        /// What it used; absent when no model was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        /// The run that ended it, when it asked a model. Visitors are not told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<FinishedRun>,
    },
    /// Another speaker may speak now; the epoch grew.
    #[serde(rename = "mode.changed")]
    ModeChanged {
        /// Who may speak.
        #[serde(deserialize_with = "stored::mode")]
        mode: Mode,
        /// Who changed it.
        by: Author,
    },
    /// An operator took it or gave it away.
    #[serde(rename = "assigned")]
    Assigned {
        /// To whom; without an assignee when absent.
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
        #[serde(deserialize_with = "stored::status")]
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
    /// How urgent it is changed.
    #[serde(rename = "prioritised")]
    Prioritised {
        /// How urgent it is.
        priority: Priority,
        /// Who changed it.
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
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "stored::thumb")]
        rating: Option<Thumb>,
        /// The visitor's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// The author has read everything up to `upto`.
    #[serde(rename = "read")]
    Read {
        /// Who.
        by: Author,
        /// The last `seq` read.
        upto: Seq,
    },
    /// Something this listener may not see (a private note). It is there so that `seq` stays dense for every listener.
    #[serde(rename = "hidden")]
    Hidden {},
    /// Something that this version does not know, or knows in another form. It changes nothing here, visitors see it as
    /// `hidden`, and it is kept and passed on as it is.
    #[serde(skip)]
    Unknown(Unknown),
}

/// An event of another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name of its kind.
    pub kind: String,
    /// Everything else that it says.
    pub fields: Map<String, Value>,
}

/// What a run that ended its turn cost beside the answer that was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FinishedRun {
    /// How often the turn was begun, from 1.
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// What calls used whose answers were withdrawn or did not come whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discarded: Vec<Usage>,
    /// Why a model was not heard out, in a word (`timeout_first_token`, `rate_limited`, `length`, …): the reason why the
    /// answer is another one's, or incomplete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
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
    /// An event of this version.
    #[must_use]
    pub const fn new(seq: Seq, at: Timestamp, epoch: Epoch, body: EventBody) -> Self {
        Self { seq, at, epoch, body, extra: None }
    }

    /// The event as a visitor may see it: nothing that this version does not know, for a later one may keep there what is not
    /// meant for visitors.
    #[must_use]
    pub fn for_visitor(self: &Rc<Self>) -> Rc<Self> {
        let visible = self.body.visible_to_visitor();
        let body = match &self.body {
            EventBody::TurnFinished {
                turn,
                outcome,
                message_id,
                citations,
                suggestions,
                usage,
                run: Some(_),
            } => EventBody::TurnFinished {
                turn: *turn,
                outcome: *outcome,
                message_id: *message_id,
                citations: citations.clone(),
                suggestions: suggestions.clone(),
                usage: usage.clone(),
                run: None,
            },
            _ if visible && self.extra.is_none() => return Rc::clone(self),
            body if visible => body.clone(),
            _ => EventBody::Hidden {},
        };
        Rc::new(Self::new(self.seq, self.at, self.epoch, body))
    }
}

impl EventBody {
    /// The name of the kind, as on the wire.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::MessageCreated { .. } => "message.created",
            Self::TurnStarted { .. } => "turn.started",
            Self::TurnFinished { .. } => "turn.finished",
            Self::ModeChanged { .. } => "mode.changed",
            Self::Assigned { .. } => "assigned",
            Self::Labelled { .. } => "labelled",
            Self::StatusChanged { .. } => "status.changed",
            Self::Snoozed { .. } => "snoozed",
            Self::Prioritised { .. } => "prioritised",
            Self::Rated { .. } => "rated",
            Self::Read { .. } => "read",
            Self::Hidden {} => "hidden",
            Self::Unknown(unknown) => &unknown.kind,
        }
    }

    /// Whether a visitor may see it: private notes are for operators, and so is what this version does not know.
    #[must_use]
    pub const fn visible_to_visitor(&self) -> bool {
        match self {
            Self::MessageCreated { message } => !message.note,
            Self::TurnStarted { .. }
            | Self::TurnFinished { .. }
            | Self::ModeChanged { .. }
            | Self::StatusChanged { .. }
            | Self::Rated { .. }
            | Self::Read { .. }
            | Self::Hidden {} => true,
            Self::Assigned { .. }
            | Self::Labelled { .. }
            | Self::Snoozed { .. }
            | Self::Prioritised { .. }
            | Self::Unknown(_) => false,
        }
    }
}

/// A piece of an answer in progress.
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

/// What is told to listeners and not stored. No `seq`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind")]
pub enum Live {
    /// A piece of an answer in progress.
    #[serde(rename = "turn.delta")]
    Delta(Delta),
    /// Another participant began or ceased to write. It holds for a few seconds, unless it is said again.
    #[serde(rename = "typing")]
    Typing {
        /// Who.
        by: Author,
        /// Began, or ceased.
        on: bool,
    },
    /// Who is connected has changed.
    #[serde(rename = "presence")]
    Presence {
        /// All who are connected now.
        participants: Vec<Author>,
    },
}

/// What a listener of a room gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Frame {
    /// A stored event.
    Event(Rc<Event>),
    /// Something that is not stored.
    Live(Rc<Live>),
}

impl Frame {
    /// The frame as a visitor may see it.
    #[must_use]
    pub fn for_visitor(&self) -> Self {
        match self {
            Self::Event(event) => Self::Event(event.for_visitor()),
            Self::Live(live) => match live.as_ref() {
                Live::Delta(_) => self.clone(),
                Live::Typing { by, on } => Self::Live(Rc::new(Live::Typing { by: by.name_only(), on: *on })),
                Live::Presence { participants } => {
                    let participants = operators(participants);
                    Self::Live(Rc::new(Live::Presence { participants }))
                }
            },
        }
    }

    /// The JSON object of the wire, with its `kind`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What [`Frame::to_json`] wrote, there or in another version; `None` for something live that this one does not know.
    ///
    /// # Errors
    /// When it is another text.
    pub fn from_json(text: &str) -> Result<Option<Self>, serde_json::Error> {
        let fields: Map<String, Value> = serde_json::from_str(text)?;
        if fields.contains_key("seq") {
            return Ok(Some(Self::Event(Rc::new(stored::event(fields)?))));
        }
        if fields.get("kind").and_then(Value::as_str).is_some_and(|kind| !Live::KINDS.contains(&kind)) {
            return Ok(None);
        }
        serde_json::from_value(Value::Object(fields)).map(|live| Some(Self::Live(Rc::new(live))))
    }
}

impl Live {
    /// The kinds there are.
    const KINDS: [&str; 3] = ["turn.delta", "typing", "presence"];
}

impl utoipa::PartialSchema for Frame {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        use utoipa::openapi::Ref;
        let either = utoipa::openapi::OneOfBuilder::new();
        either.item(Ref::from_schema_name("Event")).item(Ref::from_schema_name("Live")).into()
    }
}

impl utoipa::ToSchema for Frame {}

/// Who of those that are connected a visitor sees: operators, by name.
#[must_use]
pub fn operators(participants: &[Author]) -> Vec<Author> {
    let operators = participants.iter().filter(|author| author.kind == AuthorKind::Operator);
    operators.map(Author::name_only).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_stored_is_told_apart_by_its_kind_and_round_trips() {
        let vera = Author {
            kind: AuthorKind::Operator,
            id: Some("user_1".to_owned()),
            name: Some("Vera".to_owned()),
        };
        let visitor = Author { kind: AuthorKind::Visitor, id: Some("visitor_1".to_owned()), name: None };
        let typing = Frame::Live(Rc::new(Live::Typing { by: vera.clone(), on: true }));
        let presence = Frame::Live(Rc::new(Live::Presence { participants: vec![visitor, vera] }));
        for frame in [&typing, &presence] {
            assert_eq!(Frame::from_json(&frame.to_json()).unwrap().as_ref(), Some(frame));
        }
        assert_eq!(
            typing.for_visitor().to_json(),
            r#"{"kind":"typing","by":{"kind":"operator","name":"Vera"},"on":true}"#
        );
        assert_eq!(
            presence.for_visitor().to_json(),
            r#"{"kind":"presence","participants":[{"kind":"operator","name":"Vera"}]}"#
        );
    }
}
