//! `uploads`: files to be attached to messages, with `attachments`, the messages that are to name them, and
//! `upload_totals`, what they take together.

use frontdesk_domain::id::{MessageId, OrgId, UploadId, UserId, VisitorId};
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

/// How much may be uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Files of one visitor since `since`.
    pub files: u64,
    /// Bytes of one visitor since `since`.
    pub bytes: u64,
    /// Since when a visitor's uploads are counted.
    pub since: Timestamp,
    /// Bytes of the whole organisation.
    pub total_bytes: u64,
}

/// How much was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// Bytes of the whole organisation.
    pub total_bytes: u64,
    /// Files of the visitor.
    pub files: u64,
    /// Bytes of the visitor.
    pub bytes: u64,
    /// When the first of them came.
    pub first_at: Option<Timestamp>,
}

/// What the organisation has uploaded, and the visitor since `since`.
pub fn select_used(scope: &TenantScope, visitor: Option<VisitorId>, since: Timestamp) -> Statement {
    Statement::new(
        "SELECT coalesce((SELECT bytes FROM upload_totals WHERE org_id = ?1), 0),
                count(*), coalesce(sum(bytes), 0), min(created_at)
         FROM uploads WHERE org_id = ?1 AND visitor_id = ?2 AND created_at > ?3 AND state <> 'removing'",
    )
    .bind_id(scope.org())
    .bind(visitor.map(|id| id.to_string()))
    .bind(since)
}

/// A row of [`select_used`].
///
/// # Errors
/// When the row is of another shape.
pub fn used(row: &Row) -> Result<Used, DbError> {
    Ok(Used {
        total_bytes: row.count(0)?,
        files: row.count(1)?,
        bytes: row.count(2)?,
        first_at: row.opt_int(3)?.map(Timestamp::from_millis),
    })
}

/// Notes a file that is about to be stored, unless it would be more than `quota`: then it changes nothing.
pub fn insert(scope: &TenantScope, new: &Upload, quota: &Quota, sweep_at: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO uploads
            (org_id, id, visitor_id, user_id, name, media_type, bytes, created_at, state, sweep_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'storing', ?9
         WHERE coalesce((SELECT bytes FROM upload_totals WHERE org_id = ?1), 0) + ?7 <= ?10
           AND (?3 IS NULL OR (
                SELECT count(*) < ?11 AND coalesce(sum(bytes), 0) + ?7 <= ?12 FROM uploads
                WHERE org_id = ?1 AND visitor_id = ?3 AND created_at > ?13 AND state <> 'removing'))",
    )
    .bind_id(scope.org())
    .bind_id(new.id)
    .bind(new.visitor.map(|id| id.to_string()))
    .bind(new.user.map(|id| id.to_string()))
    .bind(new.name.as_str())
    .bind(new.media_type.as_str())
    .bind(new.bytes)
    .bind(new.created_at)
    .bind(sweep_at)
    .bind(quota.total_bytes)
    .bind(quota.files)
    .bind(quota.bytes)
    .bind(quota.since)
}

/// After [`insert`] in the same batch: counts the file, if it was noted.
pub fn add_to_total(scope: &TenantScope, id: UploadId) -> Statement {
    Statement::new(
        "INSERT INTO upload_totals (org_id, bytes) SELECT org_id, bytes FROM uploads WHERE org_id = ?1 AND id = ?2
         ON CONFLICT (org_id) DO UPDATE SET bytes = bytes + excluded.bytes",
    )
    .bind_id(scope.org())
    .bind_id(id)
}

/// The file is there. Changes nothing when the sweep came first.
pub fn update_stored(scope: &TenantScope, id: UploadId, sweep_at: Timestamp) -> Statement {
    Statement::new(
        "UPDATE uploads SET state = 'stored', sweep_at = ?3 WHERE org_id = ?1 AND id = ?2 AND state = 'storing'",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(sweep_at)
}

/// The file could not be stored: it counts no more, and is taken away at `sweep_at`.
pub fn update_given_up(scope: &TenantScope, id: UploadId, sweep_at: Timestamp) -> Statement {
    Statement::new(
        "UPDATE uploads SET state = 'removing', sweep_at = ?3 WHERE org_id = ?1 AND id = ?2 AND state = 'storing'",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(sweep_at)
}

/// Notes that a message is to name an upload, if it is there and, for a visitor, its own.
pub fn insert_attachment(
    scope: &TenantScope,
    id: UploadId,
    visitor: Option<VisitorId>,
    message: MessageId,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT OR IGNORE INTO attachments (org_id, upload_id, message_id, at)
         SELECT org_id, id, ?4, ?5 FROM uploads
         WHERE org_id = ?1 AND id = ?2 AND state = 'stored' AND (?3 IS NULL OR visitor_id = ?3)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(visitor.map(|id| id.to_string()))
    .bind_id(message)
    .bind(now)
}

/// A row when the message is noted for the upload.
pub fn select_attachment(scope: &TenantScope, id: UploadId, message: MessageId) -> Statement {
    Statement::new("SELECT 1 FROM attachments WHERE org_id = ?1 AND upload_id = ?2 AND message_id = ?3")
        .bind_id(scope.org())
        .bind_id(id)
        .bind_id(message)
}

/// One upload whose file is there; for a visitor if it is its own, or named by a message of a conversation of its own that
/// is no note.
pub fn select(scope: &TenantScope, id: UploadId, visitor: Option<VisitorId>) -> Statement {
    Statement::new(
        "SELECT id, visitor_id, user_id, name, media_type, bytes, created_at FROM uploads
         WHERE org_id = ?1 AND id = ?2 AND state = 'stored' AND (?3 IS NULL OR visitor_id = ?3 OR EXISTS (
            SELECT 1 FROM attachments a
            JOIN events e ON e.org_id = a.org_id AND e.message_id = a.message_id
            JOIN conversations c ON c.org_id = e.org_id AND c.id = e.conversation_id
            WHERE a.org_id = ?1 AND a.upload_id = ?2 AND c.visitor_id = ?3
              AND coalesce(json_extract(e.body, '$.message.note'), 0) = 0))",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(visitor.map(|id| id.to_string()))
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

/// When a message was last noted for an upload; NULL when none was.
pub fn select_last_attached(scope: &TenantScope, id: UploadId) -> Statement {
    Statement::new("SELECT max(at) FROM attachments WHERE org_id = ?1 AND upload_id = ?2")
        .bind_id(scope.org())
        .bind_id(id)
}

/// An upload whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Whose.
    pub org: OrgId,
    /// Which.
    pub id: UploadId,
    /// Whether its file is there and it has not begun to go.
    pub stored: bool,
    /// When a message was last noted for it.
    pub noted_at: Option<Timestamp>,
    /// Whether a stored message names it.
    pub attached: bool,
}

/// Uploads of every organisation whose time has come, the longest due first.
pub fn select_due(now: Timestamp, limit: usize) -> Statement {
    Statement::new(
        "SELECT u.org_id, u.id, u.state = 'stored',
                (SELECT max(a.at) FROM attachments a WHERE a.org_id = u.org_id AND a.upload_id = u.id),
                EXISTS (SELECT 1 FROM attachments a
                    JOIN events e ON e.org_id = a.org_id AND e.message_id = a.message_id
                    WHERE a.org_id = u.org_id AND a.upload_id = u.id)
         FROM uploads u WHERE u.sweep_at <= ?1 ORDER BY u.sweep_at LIMIT ?2",
    )
    .bind(now)
    .bind(limit)
}

/// A row of [`select_due`].
///
/// # Errors
/// When the row is of another shape.
pub fn due(row: &Row) -> Result<Due, DbError> {
    Ok(Due {
        org: row.parse(0)?,
        id: row.parse(1)?,
        stored: row.int(2)? != 0,
        noted_at: row.opt_int(3)?.map(Timestamp::from_millis),
        attached: row.int(4)? != 0,
    })
}

/// When the time of the first upload of any organisation comes; NULL when there is none.
pub fn select_next_due() -> Statement {
    Statement::new("SELECT min(sweep_at) FROM uploads WHERE sweep_at IS NOT NULL")
}

/// Another time for an upload; none for one that stays.
pub fn update_sweep_at(scope: &TenantScope, id: UploadId, sweep_at: Option<Timestamp>) -> Statement {
    Statement::new("UPDATE uploads SET sweep_at = ?3 WHERE org_id = ?1 AND id = ?2 AND sweep_at IS NOT NULL")
        .bind_id(scope.org())
        .bind_id(id)
        .bind(sweep_at)
}

/// From now on the upload is not there any more, and its file may go; nothing when a message was noted for it since
/// `noted_since`.
pub fn update_removing(
    scope: &TenantScope,
    id: UploadId,
    noted_since: Timestamp,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE uploads SET state = 'removing' WHERE org_id = ?1 AND id = ?2 AND sweep_at <= ?4 AND NOT EXISTS (
            SELECT 1 FROM attachments WHERE org_id = ?1 AND upload_id = ?2 AND at > ?3)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(noted_since)
    .bind(now)
}

/// Takes an upload away whose file has gone: its part of the total, what was noted for it, and its row.
pub fn delete(scope: &TenantScope, id: UploadId) -> [Statement; 3] {
    [
        Statement::new(
            "UPDATE upload_totals SET bytes = max(0, bytes - coalesce(
                (SELECT bytes FROM uploads WHERE org_id = ?1 AND id = ?2 AND state = 'removing'), 0))
             WHERE org_id = ?1",
        ),
        Statement::new(
            "DELETE FROM attachments WHERE org_id = ?1 AND upload_id = ?2
               AND EXISTS (SELECT 1 FROM uploads WHERE org_id = ?1 AND id = ?2 AND state = 'removing')",
        ),
        Statement::new("DELETE FROM uploads WHERE org_id = ?1 AND id = ?2 AND state = 'removing'"),
    ]
    .map(|statement| statement.bind_id(scope.org()).bind_id(id))
}
