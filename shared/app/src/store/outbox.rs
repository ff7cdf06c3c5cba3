//! What a room that keeps its log in a database of its own has there beside `conversations` and `events`.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::id::{ConversationId, OrgId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

use super::conversations::Stored;

/// The tables of such a database, each statement a no-op when it ran before. `conversations` and `events` are as in the
/// migrations; of `sites` it knows the name alone.
pub fn schema() -> Vec<Statement> {
    const TABLES: [&str; 6] = [
        "CREATE TABLE IF NOT EXISTS sites (
            org_id TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (org_id, id)
         ) STRICT, WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS conversations (
            org_id TEXT NOT NULL, id TEXT NOT NULL, site_id TEXT NOT NULL, visitor_id TEXT NOT NULL, mode TEXT NOT NULL,
            status TEXT NOT NULL, epoch INTEGER NOT NULL, last_seq INTEGER NOT NULL, open_turn TEXT, lease_until INTEGER,
            unanswered INTEGER, assignee TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
            channel TEXT NOT NULL DEFAULT 'widget', labels TEXT NOT NULL DEFAULT '[]',
            priority TEXT NOT NULL DEFAULT 'normal', snoozed_until INTEGER, waiting_since INTEGER, last_message TEXT,
            unread_visitor INTEGER NOT NULL DEFAULT 0, unread_operators INTEGER NOT NULL DEFAULT 0,
            log_owner TEXT NOT NULL DEFAULT '', PRIMARY KEY (org_id, id)
         ) STRICT, WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS events (
            org_id TEXT NOT NULL, conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
            epoch INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, message_id TEXT, client_key TEXT,
            PRIMARY KEY (org_id, conversation_id, seq)
         ) STRICT, WITHOUT ROWID",
        "CREATE UNIQUE INDEX IF NOT EXISTS events_by_client_key ON events (org_id, conversation_id, client_key)
         WHERE client_key IS NOT NULL",
        "CREATE INDEX IF NOT EXISTS messages ON events (org_id, conversation_id, seq) WHERE kind = 'message.created'",
        // Up to where the log was copied to the main database.
        "CREATE TABLE IF NOT EXISTS copied (
            org_id TEXT NOT NULL, conversation_id TEXT NOT NULL, upto INTEGER NOT NULL,
            PRIMARY KEY (org_id, conversation_id)
         ) STRICT, WITHOUT ROWID",
    ];
    TABLES.into_iter().map(Statement::new).collect()
}

/// Notes the site of a conversation that is new here.
pub fn insert_site(scope: &TenantScope, stored: &Stored) -> Statement {
    Statement::new("INSERT OR IGNORE INTO sites (org_id, id, name) VALUES (?1, ?2, ?3)")
        .bind_id(scope.org())
        .bind_id(stored.site)
        .bind(&stored.site_name)
}

/// Notes that everything up to `upto` is in the main database.
pub fn put_copied(scope: &TenantScope, id: ConversationId, upto: Seq) -> Statement {
    Statement::new(
        "INSERT INTO copied (org_id, conversation_id, upto) VALUES (?1, ?2, ?3)
         ON CONFLICT (org_id, conversation_id) DO UPDATE SET upto = max(upto, excluded.upto)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(upto)
}

/// Up to where the log was copied.
pub fn select_copied(scope: &TenantScope, id: ConversationId) -> Statement {
    Statement::new("SELECT upto FROM copied WHERE org_id = ?1 AND conversation_id = ?2")
        .bind_id(scope.org())
        .bind_id(id)
}

/// Whose room this is: a room's own database has one conversation.
pub fn select_owner() -> Statement {
    Statement::new("SELECT org_id, id FROM conversations LIMIT 1")
}

/// A row of [`select_owner`].
///
/// # Errors
/// When the row is of another shape.
pub fn owner(row: &Row) -> Result<(OrgId, ConversationId), DbError> {
    Ok((row.parse(0)?, row.parse(1)?))
}
