//! `audit`: who changed what, without secrets and message texts.

use frontdesk_domain::id::{AuditId, OrgId, UserId};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id.
    pub id: AuditId,
    /// Whose it is.
    pub org: OrgId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: a user's or a key's id, `visitor_…`, or `system`.
    pub actor: String,
    /// What was done: `settings.changed`, `login.created`, …
    pub action: &'static str,
    /// What it was done to.
    pub target: String,
    /// More, as JSON.
    pub detail: serde_json::Value,
}

/// Adds an entry.
pub fn insert(entry: &Entry) -> Statement {
    bound(
        "INSERT INTO audit (org_id, id, at, actor, action, target, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        entry,
    )
}

/// Adds an entry if the statement before it in the same batch changed something.
pub fn insert_if_changed(entry: &Entry) -> Statement {
    bound(
        "INSERT INTO audit (org_id, id, at, actor, action, target, detail)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE changes() > 0",
        entry,
    )
}

/// Adds an entry that names the invitations and keys of a member that were ended at `now`, earlier in the same batch, if any
/// were.
pub fn insert_made_ended(entry: &Entry, member: UserId, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO audit (org_id, id, at, actor, action, target, detail)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, json_object('invites', json(i.ids), 'api_keys', json(k.ids)) FROM
            (SELECT json_group_array(id) ids FROM invites WHERE org_id = ?1 AND invited_by = ?7 AND revoked_at = ?8) i,
            (SELECT json_group_array(id) ids FROM api_keys WHERE org_id = ?1 AND created_by = ?7 AND deleted_at = ?8) k
         WHERE i.ids <> '[]' OR k.ids <> '[]'",
    )
    .bind_id(entry.org)
    .bind_id(entry.id)
    .bind(entry.at)
    .bind(&entry.actor)
    .bind(entry.action)
    .bind(&entry.target)
    .bind_id(member)
    .bind(now)
}

fn bound(sql: &'static str, entry: &Entry) -> Statement {
    Statement::new(sql)
        .bind_id(entry.org)
        .bind_id(entry.id)
        .bind(entry.at)
        .bind(&entry.actor)
        .bind(entry.action)
        .bind(&entry.target)
        .bind(entry.detail.to_string())
}
