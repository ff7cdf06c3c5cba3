//! What is asked of a room, and what it answers.

use std::rc::Rc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::answer::{Citation, Outcome, Usage};
use crate::conversation::{Author, Epoch, Message, Mode, Priority, Seq, Status};
use crate::event::{Event, Thumb};
use crate::id::{MessageId, TurnId, UploadId, UserId};
use crate::room::TurnToken;
use crate::time::Timestamp;

/// How many labels a conversation has at most.
pub const MAX_LABELS: usize = 50;
/// The longest label, in characters.
pub const MAX_LABEL_CHARS: usize = 64;

/// A message to be appended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// The id its sender gave it.
    pub client_id: Option<String>,
    /// Who wrote it.
    pub author: Author,
    /// Its text.
    pub text: String,
    /// Uploads it refers to.
    pub attachments: Vec<UploadId>,
    /// A private note.
    pub note: bool,
}

/// What clients ask of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A visitor or an operator writes. A visitor's message begins `turn` if the AI may speak and is idle. An operator
    /// that writes to the visitor while the AI may speak takes over.
    Post {
        /// The message.
        message: NewMessage,
        /// The id of the turn it may begin.
        turn: TurnId,
    },
    /// The conversation's head changes.
    Update(Update),
    /// A conversation that was put aside comes back, if its time has come.
    Wake,
    /// The author has read everything up to `upto`.
    Read {
        /// Who.
        by: Author,
        /// The last `seq` read.
        upto: Seq,
    },
    /// The visitor rates the conversation (`score`) or a message (`message_id`, `rating`).
    Rate {
        /// Stars, 1 to 5.
        score: Option<u8>,
        /// The rated message.
        message_id: Option<MessageId>,
        /// Thumb.
        rating: Option<Thumb>,
        /// The visitor's words.
        comment: Option<String>,
    },
}

/// A change of a conversation's head; what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// The epoch the caller has seen; `None` for Frontdesk itself.
    pub if_epoch: Option<Epoch>,
    /// Who changes it.
    pub by: Author,
    /// Who may speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Where it stands. `closed` closes it as the mode of that name does; `snoozed` comes by `snoozed_until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The assignee; `Some(None)` leaves it without one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "named")]
    pub assignee: Option<Option<UserId>>,
    /// All labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// Until when it is put aside; `Some(None)` takes it up again.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "named")]
    pub snoozed_until: Option<Option<Timestamp>>,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

impl Update {
    /// A change of nothing yet.
    #[must_use]
    pub const fn by(by: Author) -> Self {
        Self {
            if_epoch: None,
            by,
            mode: None,
            status: None,
            assignee: None,
            labels: None,
            snoozed_until: None,
            priority: None,
        }
    }
}

/// A field that is there, be it null.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(field: D) -> Result<Option<T>, D::Error> {
    T::deserialize(field).map(Some)
}

/// How a turn ends; only the worker that runs it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnEnd {
    /// The run that ends.
    pub token: TurnToken,
    /// How.
    pub outcome: Outcome,
    /// What it said.
    pub reply: Option<Reply>,
    /// What the answer used.
    pub usage: Option<Usage>,
    /// What calls used whose answers were withdrawn or did not come whole.
    pub discarded: Vec<Usage>,
    /// Why a model was not heard out, in a word; the last one, when there were several.
    pub reason: Option<&'static str>,
    /// The id of the turn that begins now if more was asked meanwhile.
    pub next: TurnId,
}

/// The AI's closing words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The message's id.
    pub id: MessageId,
    /// Its text: exactly the deltas put together.
    pub text: String,
    /// What it refers to.
    pub citations: Vec<Citation>,
    /// Whether it ends before its end.
    pub incomplete: bool,
    /// What the visitor might ask instead.
    pub suggestions: Vec<String>,
}

/// What a command leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// These events are to be stored in one atomic batch, and the room's head is to be as it is after them.
    Commit(Vec<Rc<Event>>),
    /// The message is there already.
    Duplicate(Receipt),
    /// Nothing to do.
    Nothing,
}

/// Where a message stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its position.
    pub seq: Seq,
    /// The message.
    pub message: Message,
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The conversation is closed.
    #[error("the conversation is closed")]
    Closed,
    /// Another speaker may speak now: the epoch moved, or the run is not the one in progress.
    #[error("the turn is not in progress any more; the epoch is {epoch}")]
    Fenced {
        /// The current epoch.
        epoch: Epoch,
    },
    /// The caller has not seen the latest change.
    #[error("the epoch is {epoch}")]
    Stale {
        /// The current epoch.
        epoch: Epoch,
    },
    /// The same `client_id` was used for another text.
    #[error("this client_id was used for another message")]
    ClientIdReused,
    /// There is no such position yet.
    #[error("seq is at most {last}")]
    SeqOutOfRange {
        /// The last position.
        last: Seq,
    },
    /// A field of an [`Update`] does not go with the state, or is beyond its limit.
    #[error("{field}: {why}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

impl NewMessage {
    /// The receipt of the message that is stored under the same `client_id`.
    ///
    /// # Errors
    /// [`Refusal::ClientIdReused`] when that is another message.
    pub fn repeats(&self, known: &Message, seq: Seq) -> Result<Receipt, Refusal> {
        if known.text == self.text && known.attachments == self.attachments && known.note == self.note {
            Ok(Receipt { seq, message: known.clone() })
        } else {
            Err(Refusal::ClientIdReused)
        }
    }

    pub(super) fn stored(&self) -> Message {
        Message {
            id: self.id,
            client_id: self.client_id.clone(),
            author: self.author.clone(),
            text: self.text.clone(),
            attachments: self.attachments.clone(),
            citations: Vec::new(),
            incomplete: false,
            note: self.note,
        }
    }
}

impl Reply {
    pub(super) fn stored(&self) -> Message {
        Message {
            id: self.id,
            client_id: None,
            author: Author::AI,
            text: self.text.clone(),
            attachments: Vec::new(),
            citations: self.citations.clone(),
            incomplete: self.incomplete,
            note: false,
        }
    }
}
