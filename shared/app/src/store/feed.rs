//! `feed` and `feed_cursors`: every stored event of an organisation in one dense order, and how far its readers are.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::event::Event;
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A place in the feed of an organisation, dense from 1. 0 means "before the first".
pub type Position = u64;

/// One stored event, as the feed names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its place.
    pub position: Position,
    /// The conversation.
    pub conversation: ConversationId,
    /// The event's place there.
    pub seq: Seq,
    /// The event's kind, also one that this version does not know.
    pub kind: String,
    /// When the event was stored.
    pub at: Timestamp,
}

/// The next entry, for an event that the same batch stores.
pub fn append(scope: &TenantScope, conversation: ConversationId, event: &Event) -> Statement {
    bound(
        "INSERT INTO feed (org_id, position, conversation_id, seq, kind, at)
         SELECT ?1, coalesce((SELECT max(position) FROM feed WHERE org_id = ?1), 0) + 1, ?2, ?3, ?4, ?5",
        scope,
        conversation,
        event,
    )
}

/// The same for an event that may be stored already; stands before it in the batch.
pub fn append_copy(scope: &TenantScope, conversation: ConversationId, event: &Event) -> Statement {
    bound(
        "INSERT INTO feed (org_id, position, conversation_id, seq, kind, at)
         SELECT ?1, coalesce((SELECT max(position) FROM feed WHERE org_id = ?1), 0) + 1, ?2, ?3, ?4, ?5
         WHERE NOT EXISTS (SELECT 1 FROM events WHERE org_id = ?1 AND conversation_id = ?2 AND seq = ?3)",
        scope,
        conversation,
        event,
    )
}

fn bound(sql: &'static str, scope: &TenantScope, conversation: ConversationId, event: &Event) -> Statement {
    Statement::new(sql)
        .bind_id(scope.org())
        .bind_id(conversation)
        .bind(event.seq)
        .bind(event.body.kind())
        .bind(event.at)
}

/// Entries after `after`, in order.
pub fn select_after(scope: &TenantScope, after: Position, limit: u32) -> Statement {
    Statement::new(
        "SELECT position, conversation_id, seq, kind, at FROM feed
         WHERE org_id = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(after)
    .bind(limit)
}

/// The last position, 0 when there is none; in one row.
pub fn select_last(scope: &TenantScope) -> Statement {
    Statement::new("SELECT coalesce(max(position), 0) FROM feed WHERE org_id = ?1").bind_id(scope.org())
}

/// How far a reader is, in one row, if it has dealt with anything.
pub fn select_cursor(scope: &TenantScope, name: &'static str) -> Statement {
    Statement::new("SELECT position FROM feed_cursors WHERE org_id = ?1 AND name = ?2")
        .bind_id(scope.org())
        .bind(name)
}

/// What a reader has not dealt with, in order.
pub fn select_next(scope: &TenantScope, name: &'static str, limit: u32) -> Statement {
    Statement::new(
        "SELECT position, conversation_id, seq, kind, at FROM feed
         WHERE org_id = ?1
            AND position > coalesce((SELECT position FROM feed_cursors WHERE org_id = ?1 AND name = ?2), 0)
         ORDER BY position LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(name)
    .bind(limit)
}

/// Moves a reader from one position to a later one. When it is not there any more, the whole batch is refused as a conflict.
pub fn advance(
    scope: &TenantScope,
    name: &'static str,
    from: Position,
    upto: Position,
    now: Timestamp,
) -> [Statement; 2] {
    [
        Statement::new(
            "INSERT INTO feed_cursors (org_id) SELECT NULL
             WHERE coalesce((SELECT position FROM feed_cursors WHERE org_id = ?1 AND name = ?2), 0) <> ?3",
        )
        .bind_id(scope.org())
        .bind(name)
        .bind(from),
        Statement::new(
            "INSERT INTO feed_cursors (org_id, name, position, updated_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (org_id, name) DO UPDATE SET position = excluded.position, updated_at = excluded.updated_at",
        )
        .bind_id(scope.org())
        .bind(name)
        .bind(upto)
        .bind(now),
    ]
}

/// A row of the selects of entries.
///
/// # Errors
/// When the row is of another shape.
pub fn entry(row: &Row) -> Result<FeedEntry, DbError> {
    Ok(FeedEntry {
        position: row.count(0)?,
        conversation: row.parse(1)?,
        seq: row.count(2)?,
        kind: row.text(3)?.to_owned(),
        at: row.time(4)?,
    })
}
