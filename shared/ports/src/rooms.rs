//! Rooms: the authority over each conversation.

use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_domain::conversation::{Author, Conversation, Epoch, Message, Seq};
use frontdesk_domain::error::Result;
use frontdesk_domain::event::{Event, Frame};
use frontdesk_domain::id::{ConversationId, TurnId, VisitorId};
use frontdesk_domain::room::{Command, Receipt};
use frontdesk_domain::scope::TenantScope;
use serde::{Deserialize, Serialize};

use crate::BoxStream;

/// What an append led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// The events that were stored, in order; empty for a repeated message.
    pub events: Vec<Rc<Event>>,
    /// For a message: where it stands.
    pub receipt: Option<Receipt>,
    /// Whether it was there already.
    pub deduplicated: bool,
    /// The conversation afterwards.
    pub conversation: Conversation,
}

/// A piece of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Events in `seq` order.
    pub events: Vec<Rc<Event>>,
    /// The conversation's head.
    pub conversation: Conversation,
}

/// What a turn begins from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnStart {
    /// The conversation.
    pub conversation: ConversationId,
    /// The turn.
    pub turn: TurnId,
    /// The epoch it began in.
    pub epoch: Epoch,
    /// The `seq` of the last visitor message it answers.
    pub answers: Seq,
    /// How often it was begun, from 1.
    pub attempt: u32,
    /// The name of the site it was begun on.
    pub site: String,
    /// The latest messages, oldest first.
    pub history: Vec<(Seq, Rc<Message>)>,
}

/// A listener's place in a room.
pub struct Subscription {
    /// The conversation when the listener joined.
    pub conversation: Conversation,
    /// Who is connected, the listener included. To visitors: operators, by name.
    pub participants: Vec<Author>,
    /// Everything from there on.
    pub frames: BoxStream<'static, Frame>,
}

/// Rooms. A visitor's scope reaches its own conversations only; another's is "not found".
#[async_trait(?Send)]
pub trait Rooms {
    /// Creates the room of a new conversation.
    ///
    /// # Errors
    /// Any.
    async fn create(&self, scope: &TenantScope, id: ConversationId) -> Result<Conversation>;

    /// The visitor's latest conversation that is not closed.
    ///
    /// # Errors
    /// Any.
    async fn latest(&self, scope: &TenantScope, visitor: VisitorId) -> Result<Option<Conversation>>;

    /// Appends what `command` leads to; it is stored when this returns. A turn that begins is run by the room's host.
    ///
    /// # Errors
    /// A caller's error when the room refuses; an upstream error when the log is out of reach.
    async fn append(&self, scope: &TenantScope, id: ConversationId, command: Command) -> Result<Appended>;

    /// Stored events after `after`, at most `limit`.
    ///
    /// # Errors
    /// As `append`.
    async fn replay(&self, scope: &TenantScope, id: ConversationId, after: Seq, limit: u32)
    -> Result<Replay>;

    /// Everything after `after`: first what is stored, then, during a turn, the answer so far, then live. The stream
    /// ends when the listener is too slow or the host shuts down; the listener then comes back with its last `seq`. As
    /// long as the stream is held, the listener is connected, and others see that.
    ///
    /// # Errors
    /// As `append`; not available now when the same person listens too often already.
    async fn subscribe(&self, scope: &TenantScope, id: ConversationId, after: Seq) -> Result<Subscription>;

    /// Tells everybody else who listens that the caller began or ceased to write.
    ///
    /// # Errors
    /// As `append`.
    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()>;

    /// A piece of the answer of a turn in progress, to whoever listens; also a sign of life of the turn.
    ///
    /// # Errors
    /// A conflict when the turn was fenced; it stops then.
    async fn say(&self, scope: &TenantScope, start: &TurnStart, text: &str) -> Result<()>;

    /// Withdraws what the turn has said so far.
    ///
    /// # Errors
    /// As `say`.
    async fn unsay(&self, scope: &TenantScope, start: &TurnStart) -> Result<()>;
}
