//! `api_keys`: keys for programs. What is stored of one does not open anything.

use std::time::Duration;

use frontdesk_domain::id::{ApiKeyId, OrgId, UserId};
use frontdesk_domain::networks::Networks;
use frontdesk_domain::scope::{Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, KnownKey, Row, Rows, Statement};

/// A key as its organisation sees it.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// From where it counts.
    pub addresses: Networks,
    /// Which member made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it counts.
    pub expires_at: Option<Timestamp>,
    /// When it was used last.
    pub used_at: Option<Timestamp>,
}

/// A new one, unless the organisation has `most`; gives a row only then.
pub fn insert(scope: &TenantScope, key: &ApiKeyRow, hash: &[u8; 32], most: u32) -> Statement {
    Statement::new(
        "INSERT INTO api_keys (org_id, id, name, role, hash, addresses, created_by, created_at, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
         WHERE (SELECT count(*) FROM api_keys WHERE org_id = ?1 AND deleted_at IS NULL) < ?10 RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(key.id)
    .bind(&key.name)
    .bind(key.role.name())
    .bind(hash.to_vec())
    .bind(serde_json::json!(key.addresses.texts()).to_string())
    .bind_id(key.created_by)
    .bind(key.created_at)
    .bind(key.expires_at.map(Timestamp::millis))
    .bind(most)
}

/// Forgets keys that were deleted long ago: no connection is open by one of them.
pub fn delete_old(scope: &TenantScope, now: Timestamp) -> Statement {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    Statement::new("DELETE FROM api_keys WHERE org_id = ?1 AND deleted_at < ?2")
        .bind_id(scope.org())
        .bind(now.before(DAY))
}

/// The keys, the oldest first, after `after`.
pub fn select_page(scope: &TenantScope, after: Option<ApiKeyId>, limit: u32) -> Statement {
    Statement::new(
        "SELECT id, name, role, addresses, created_by, created_at, expires_at, used_at FROM api_keys
         WHERE org_id = ?1 AND id > ?2 AND deleted_at IS NULL ORDER BY id LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
}

/// A row of [`select_page`].
pub fn api_key(row: &Row) -> Result<ApiKeyRow, DbError> {
    Ok(ApiKeyRow {
        id: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        role: row.parse(2)?,
        addresses: networks(row, 3)?,
        created_by: row.parse(4)?,
        created_at: row.time(5)?,
        expires_at: row.opt_int(6)?.map(Timestamp::from_millis),
        used_at: row.opt_int(7)?.map(Timestamp::from_millis),
    })
}

/// Deletes a key; gives its name only then.
pub fn delete(scope: &TenantScope, id: ApiKeyId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE api_keys SET deleted_at = ?3 WHERE org_id = ?1 AND id = ?2 AND deleted_at IS NULL RETURNING name",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(now)
}

/// Deletes the keys that a member made and could not make any more: it is out, or has a lesser role now.
pub fn delete_of_member(scope: &TenantScope, user: UserId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE api_keys SET deleted_at = ?3
         WHERE org_id = ?1 AND created_by = ?2 AND deleted_at IS NULL
           AND NOT EXISTS (
                SELECT 1 FROM members m WHERE m.org_id = ?1 AND m.user_id = ?2
                    AND m.disabled_at IS NULL AND m.removed_at IS NULL
                    AND (m.role = 'owner' OR (m.role = 'admin' AND api_keys.role <> 'owner')))",
    )
    .bind_id(scope.org())
    .bind_id(user)
    .bind(now)
}

/// What is stored of a key that a caller names. Before authentication: the caller has shown nothing but its id.
pub fn select_named(id: ApiKeyId) -> Statement {
    Statement::new(
        "SELECT org_id, name, role, hash, addresses, expires_at, used_at FROM api_keys
         WHERE id = ?1 AND deleted_at IS NULL",
    )
    .bind_id(id)
}

/// A row of [`select_named`], read at this time.
pub fn known(row: &Row, read_at: Timestamp) -> Result<KnownKey, DbError> {
    let hash = row.blob(3)?.as_ref().try_into();
    Ok(KnownKey {
        org: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        role: row.parse(2)?,
        hash: hash.map_err(|_| DbError::Schema("the hash of a key has another length".to_owned()))?,
        addresses: networks(row, 4)?,
        expires_at: row.opt_int(5)?.map(Timestamp::from_millis),
        used_at: row.opt_int(6)?.map(Timestamp::from_millis),
        read_at,
    })
}

/// Notes that a key was used, unless that was noted later than `before`.
pub fn note_use(org: OrgId, id: ApiKeyId, now: Timestamp, before: Timestamp) -> Statement {
    Statement::new(
        "UPDATE api_keys SET used_at = ?3 WHERE org_id = ?1 AND id = ?2 AND (used_at IS NULL OR used_at <= ?4)",
    )
    .bind_id(org)
    .bind_id(id)
    .bind(now)
    .bind(before)
}

/// The most deleted keys that are read: more than an organisation can have, many times over.
const MOST_DELETED: i64 = 1_000;

/// The keys that were deleted after `since`.
pub fn select_deleted(scope: &TenantScope, since: Timestamp) -> Statement {
    Statement::new(
        "SELECT id FROM api_keys WHERE org_id = ?1 AND deleted_at > ?2 ORDER BY deleted_at DESC LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(since)
    .bind(MOST_DELETED)
}

/// Rows of [`select_deleted`].
pub fn deleted(rows: &Rows) -> Result<Vec<ApiKeyId>, DbError> {
    rows.rows.iter().map(|row| row.parse(0)).collect()
}

fn networks(row: &Row, column: usize) -> Result<Networks, DbError> {
    let texts: Vec<String> = row.json(column)?;
    // One that cannot be read must not count everywhere.
    Networks::parse(&texts, "")
        .map_err(|_| DbError::Schema("the addresses of a key cannot be read".to_owned()))
}
