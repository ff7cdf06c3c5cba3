//! Rooms: the authority over each conversation, as clients ask it. What a turn's worker says to its room goes no way but
//! through the process that runs both.

use std::rc::Rc;

use async_trait::async_trait;
use frontdesk_domain::conversation::{Author, Channel, Conversation, Seq};
use frontdesk_domain::error::Result;
use frontdesk_domain::event::{Event, Frame};
use frontdesk_domain::id::{ConversationId, VisitorId};
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
    async fn create(&self, scope: &TenantScope, id: ConversationId, channel: Channel)
    -> Result<Conversation>;

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

    /// Tells all other listeners that the caller began or ceased to write.
    ///
    /// # Errors
    /// As `append`.
    async fn typing(&self, scope: &TenantScope, id: ConversationId, on: bool) -> Result<()>;
}
