//! What a room that keeps its log in a database of its own has there beside `conversations` and `events`; the tables are in
//! `own_schema`.

use frontdesk_domain::conversation::Seq;
use frontdesk_domain::id::{ConversationId, OrgId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Row, Statement};

use super::conversations::Stored;

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
