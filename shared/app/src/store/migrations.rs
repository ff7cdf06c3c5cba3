//! `schema_migrations`: which steps of the schema a database has taken.

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Database, DbError, Statement};

/// A step that was taken.
pub struct Applied {
    /// Its number.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub checksum: String,
    /// When.
    pub at: Timestamp,
}

/// The table itself.
pub fn create() -> Statement {
    Statement::new(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
            version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at INTEGER NOT NULL
        ) STRICT",
    )
}

/// Notes a step as taken.
pub fn insert(version: u32, name: &str, checksum: &str, at: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
    )
    .bind(version)
    .bind(name)
    .bind(checksum)
    .bind(at)
}

/// Forgets a step.
pub fn delete(version: u32) -> Statement {
    Statement::new("DELETE FROM schema_migrations WHERE version = ?1").bind(version)
}

/// The steps taken, in order.
pub async fn applied(db: &dyn Database) -> Result<Vec<Applied>, DbError> {
    let select =
        Statement::new("SELECT version, name, checksum, applied_at FROM schema_migrations ORDER BY version");
    let results = db.query(vec![select]).await?;
    results
        .iter()
        .flat_map(|rows| &rows.rows)
        .map(|row| {
            Ok(Applied {
                version: u32::try_from(row.int(0)?).map_err(|_| DbError::Schema("version".to_owned()))?,
                name: row.text(1)?.to_owned(),
                checksum: row.text(2)?.to_owned(),
                at: row.time(3)?,
            })
        })
        .collect()
}
