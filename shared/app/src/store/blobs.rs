//! `blob_parts`: files in parts.

use bytes::Bytes;
use frontdesk_ports::{BlobKey, DbError, Row, Statement};

/// A part of a file, with what is true of the whole.
pub struct Part {
    /// The size of the whole file.
    pub size: u64,
    /// The SHA-256 of the whole file.
    pub hash: String,
    /// Its own bytes.
    pub bytes: Bytes,
}

/// Stores a part of a file.
pub fn insert(key: &BlobKey, number: u32, part: Part) -> Statement {
    Statement::new(
        "INSERT INTO blob_parts (org_id, name, part, size, hash, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind_id(key.org())
    .bind(key.name())
    .bind(number)
    .bind(part.size)
    .bind(part.hash)
    .bind(part.bytes)
}

/// The parts of a file from `from` on, at most `limit`.
pub fn select(key: &BlobKey, from: u32, limit: usize) -> Statement {
    Statement::new(
        "SELECT size, hash, bytes FROM blob_parts WHERE org_id = ?1 AND name = ?2 AND part >= ?3
         ORDER BY part LIMIT ?4",
    )
    .bind_id(key.org())
    .bind(key.name())
    .bind(from)
    .bind(limit)
}

/// A row of [`select`].
///
/// # Errors
/// When the row is of another shape.
pub fn part(row: &Row) -> Result<Part, DbError> {
    Ok(Part { size: row.count(0)?, hash: row.text(1)?.to_owned(), bytes: row.blob(2)?.clone() })
}

/// Deletes a file.
pub fn delete(key: &BlobKey) -> Statement {
    Statement::new("DELETE FROM blob_parts WHERE org_id = ?1 AND name = ?2")
        .bind_id(key.org())
        .bind(key.name())
}
