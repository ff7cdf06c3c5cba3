//! `events`: the log of every conversation.

use std::rc::Rc;

use frontdesk_domain::conversation::{Author, AuthorKind, Message, Seq};
use frontdesk_domain::event::{Event, EventBody};
use frontdesk_domain::id::{ConversationId, MessageId};
use frontdesk_domain::room::RECENT_MESSAGES;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

/// An event at the end of the log. A conflict means that another writer was first, or that the message is there.
pub fn insert(scope: &TenantScope, conversation: ConversationId, event: &Event) -> Statement {
    let sql =
        "INSERT INTO events (org_id, conversation_id, seq, at, epoch, kind, body, message_id, client_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    bound(sql, scope, conversation, event)
}

/// An event that is stored elsewhere already; nothing when it is here, too. When another event is at its place, the whole
/// batch is refused as a conflict.
pub fn insert_copy(scope: &TenantScope, conversation: ConversationId, event: &Event) -> Statement {
    let sql =
        "INSERT INTO events (org_id, conversation_id, seq, at, epoch, kind, body, message_id, client_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (org_id, conversation_id, seq) DO UPDATE SET org_id = NULL
         WHERE at <> excluded.at OR epoch <> excluded.epoch OR kind <> excluded.kind
            OR message_id IS NOT excluded.message_id OR client_key IS NOT excluded.client_key";
    bound(sql, scope, conversation, event)
}

fn bound(sql: &'static str, scope: &TenantScope, conversation: ConversationId, event: &Event) -> Statement {
    let message = match &event.body {
        EventBody::MessageCreated { message } => Some(message),
        _ => None,
    };
    Statement::new(sql)
        .bind_id(scope.org())
        .bind_id(conversation)
        .bind(event.seq)
        .bind(event.at)
        .bind(event.epoch)
        .bind(event.body.kind())
        .bind(event.stored_body())
        .bind(message.map(|message| message.id.to_string()))
        .bind(message.and_then(|message| {
            message.client_id.as_ref().map(|client_id| client_key(&message.author, client_id))
        }))
}

/// Events after `after`, in order.
pub fn select_after(scope: &TenantScope, conversation: ConversationId, after: Seq, limit: u32) -> Statement {
    Statement::new(
        "SELECT seq, at, epoch, body FROM events
         WHERE org_id = ?1 AND conversation_id = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4",
    )
    .bind_id(scope.org())
    .bind_id(conversation)
    .bind(after)
    .bind(limit)
}

/// The latest messages, newest first.
pub fn select_recent_messages(scope: &TenantScope, conversation: ConversationId) -> Statement {
    Statement::new(
        "SELECT seq, at, epoch, body FROM events
         WHERE org_id = ?1 AND conversation_id = ?2 AND kind = 'message.created' ORDER BY seq DESC LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind_id(conversation)
    .bind(RECENT_MESSAGES)
}

/// The message with this `client_id`.
pub fn select_by_client_id(
    scope: &TenantScope,
    conversation: ConversationId,
    author: &Author,
    client_id: &str,
) -> Statement {
    Statement::new(
        "SELECT seq, at, epoch, body FROM events WHERE org_id = ?1 AND conversation_id = ?2 AND client_key = ?3",
    )
    .bind_id(scope.org())
    .bind_id(conversation)
    .bind(client_key(author, client_id))
}

/// The conversation of a message, its author's kind, and whether it is a note.
pub fn select_by_message(scope: &TenantScope, message: MessageId) -> Statement {
    Statement::new(
        "SELECT conversation_id, json_extract(body, '$.message.author.kind'),
                coalesce(json_extract(body, '$.message.note'), 0)
         FROM events WHERE org_id = ?1 AND message_id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(message)
}

/// A row of the selects of events, of whatever version.
///
/// # Errors
/// When the row is of another shape.
pub fn event(row: &Row) -> Result<Rc<Event>, DbError> {
    let event = Event::from_stored(row.count(0)?, row.time(1)?, row.count(2)?, row.text(3)?);
    let event = event.map_err(|error| DbError::Schema(format!("an event: {error}")))?;
    if let EventBody::Unknown(unknown) = &event.body {
        tracing::debug!(kind = unknown.kind, seq = event.seq, "an event of another version is kept as it is");
    }
    Ok(Rc::new(event))
}

/// A row of the selects of messages; `None` for one of a newer version that this one cannot read.
///
/// # Errors
/// When the row is of another shape.
pub fn message(row: &Row) -> Result<Option<(Seq, Rc<Message>)>, DbError> {
    let event = Rc::unwrap_or_clone(event(row)?);
    match event.body {
        EventBody::MessageCreated { message } => Ok(Some((event.seq, Rc::new(message)))),
        other => {
            tracing::warn!(
                seq = event.seq,
                kind = other.kind(),
                "a message of another version cannot be read"
            );
            Ok(None)
        }
    }
}

/// Who sent it and under which id: unique in a conversation, so that two people never collide.
fn client_key(author: &Author, client_id: &str) -> String {
    let kind = match author.kind {
        AuthorKind::Visitor => "visitor",
        AuthorKind::Ai => "ai",
        AuthorKind::Operator => "operator",
        AuthorKind::System => "system",
    };
    format!("{kind}/{}/{client_id}", author.id.as_deref().unwrap_or(""))
}
