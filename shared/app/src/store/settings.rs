//! `settings`: what an organisation changed.

use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Rows, Statement};
use serde_json::Value;

/// The settings of an organisation.
pub fn select(scope: &TenantScope) -> Statement {
    Statement::new("SELECT version, changed FROM settings WHERE org_id = ?1").bind_id(scope.org())
}

/// What [`select`] gave: the version, and what is stored. Without a row nothing was ever changed: version 0.
pub fn changed(rows: &Rows) -> Result<(u64, Value), DbError> {
    rows.first().map_or(Ok((0, Value::Null)), |row| Ok((row.count(0)?, row.json(1)?)))
}

/// Stores the next version if the current one is still `version`; gives a row only then.
pub fn upsert(scope: &TenantScope, version: u64, changed: &Value, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO settings (org_id, version, changed, updated_at) VALUES (?1, ?2 + 1, ?3, ?4)
         ON CONFLICT (org_id) DO UPDATE
         SET version = excluded.version, changed = excluded.changed, updated_at = excluded.updated_at
         WHERE settings.version = ?2
         RETURNING version",
    )
    .bind_id(scope.org())
    .bind(version)
    .bind(changed.to_string())
    .bind(now)
}

/// A row when any organisation searches by meaning alone.
pub fn select_by_meaning() -> Statement {
    Statement::new(
        "SELECT 1 FROM settings WHERE json_extract(changed, '$.retrieval.mode') = 'vector' LIMIT 1",
    )
}

/// Whose site this is. Before authentication: the key is public and names nothing but a site.
pub fn select_org_of_site(site_key: &str) -> Statement {
    Statement::new("SELECT org_id FROM sites WHERE site_key = ?1").bind(site_key)
}

/// The organisations of this deployment, at most two: enough to know whether there is exactly one.
pub fn select_two_organisations() -> Statement {
    Statement::new("SELECT id FROM organisations LIMIT 2")
}

/// The organisation that a row of the two statements above names.
pub fn org(rows: &Rows) -> Result<Option<OrgId>, DbError> {
    rows.first().map(|row| row.parse(0)).transpose()
}
