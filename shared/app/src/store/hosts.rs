//! `hosts`: signs of life of what uses the database. Not a tenant table.

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A host that gave a sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alive {
    /// Which one.
    pub id: String,
    /// `local`, `spin` or `cloudflare`.
    pub kind: String,
    /// The version of Frontdesk that it runs.
    pub version: String,
    /// When it gave the sign.
    pub seen_at: Timestamp,
    /// Until when that is good.
    pub alive_until: Timestamp,
}

/// Alive until then.
pub fn put(id: &str, kind: &str, version: &str, now: Timestamp, until: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO hosts (id, kind, version, seen_at, alive_until) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET version = ?3, seen_at = ?4, alive_until = ?5",
    )
    .bind(id)
    .bind(kind)
    .bind(version)
    .bind(now)
    .bind(until)
}

/// Forgets those whose time is over.
pub fn delete_gone(now: Timestamp) -> Statement {
    Statement::new("DELETE FROM hosts WHERE alive_until < ?1").bind(now)
}

/// Forgets one that has stopped.
pub fn delete(id: &str) -> Statement {
    Statement::new("DELETE FROM hosts WHERE id = ?1").bind(id)
}

/// Those that are alive.
pub fn select_alive(now: Timestamp) -> Statement {
    Statement::new(
        "SELECT id, kind, version, seen_at, alive_until FROM hosts WHERE alive_until >= ?1 ORDER BY kind, id LIMIT 100",
    )
    .bind(now)
}

/// A row of [`select_alive`].
///
/// # Errors
/// When the row is of another shape.
pub fn alive(row: &Row) -> Result<Alive, DbError> {
    Ok(Alive {
        id: row.text(0)?.to_owned(),
        kind: row.text(1)?.to_owned(),
        version: row.text(2)?.to_owned(),
        seen_at: row.time(3)?,
        alive_until: row.time(4)?,
    })
}
