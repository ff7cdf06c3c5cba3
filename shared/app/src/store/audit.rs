//! `audit`: who changed what, without secrets and message texts.

use frontdesk_domain::id::{AuditId, OrgId};
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
