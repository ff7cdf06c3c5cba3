//! `uploads`: files to be attached to messages.

use frontdesk_domain::id::{UploadId, UserId, VisitorId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// An upload as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// The visitor who uploaded it.
    pub visitor: Option<VisitorId>,
    /// The user who uploaded it.
    pub user: Option<UserId>,
    /// Its name, without a path.
    pub name: String,
    /// Its type, by content.
    pub media_type: String,
    /// Its size.
    pub bytes: u64,
    /// When it came.
    pub created_at: Timestamp,
}

/// Stores an upload.
pub fn insert(scope: &TenantScope, new: &Upload) -> Statement {
    Statement::new(
        "INSERT INTO uploads (org_id, id, visitor_id, user_id, name, media_type, bytes, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind_id(scope.org())
    .bind_id(new.id)
    .bind(new.visitor.map(|id| id.to_string()))
    .bind(new.user.map(|id| id.to_string()))
    .bind(new.name.as_str())
    .bind(new.media_type.as_str())
    .bind(new.bytes)
    .bind(new.created_at)
}

/// One upload.
pub fn select(scope: &TenantScope, id: UploadId) -> Statement {
    Statement::new(
        "SELECT id, visitor_id, user_id, name, media_type, bytes, created_at FROM uploads WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
}

/// A row of [`select`].
///
/// # Errors
/// When the row is of another shape.
pub fn upload(row: &Row) -> Result<Upload, DbError> {
    Ok(Upload {
        id: row.parse(0)?,
        visitor: row.opt_text(1)?.map(|_| row.parse(1)).transpose()?,
        user: row.opt_text(2)?.map(|_| row.parse(2)).transpose()?,
        name: row.text(3)?.to_owned(),
        media_type: row.text(4)?.to_owned(),
        bytes: row.count(5)?,
        created_at: row.time(6)?,
    })
}
