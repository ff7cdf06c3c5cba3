//! `logins`: one row per login, with the hash of the one refresh token that is valid now.

use std::time::Duration;

use frontdesk_domain::id::{LoginId, OrgId, UserId};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;

/// A new login.
pub fn insert(
    org: OrgId,
    id: LoginId,
    user: UserId,
    token_hash: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO logins (org_id, id, user_id, token_hash, created_at, expires_at, revoked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)",
    )
    .bind_id(org)
    .bind_id(id)
    .bind_id(user)
    .bind(token_hash)
    .bind(now)
    .bind(expires_at)
}

/// Deletes the user's logins that can be used no more.
pub fn delete_expired(org: OrgId, user: UserId, now: Timestamp) -> Statement {
    Statement::new("DELETE FROM logins WHERE org_id = ?1 AND user_id = ?2 AND expires_at < ?3")
        .bind_id(org)
        .bind_id(user)
        .bind(now)
}

/// A rotation of a refresh token.
#[derive(Debug, Clone)]
pub struct Rotation<'a> {
    /// Whose login it is.
    pub org: OrgId,
    /// The login.
    pub id: LoginId,
    /// The hash of the token that was shown.
    pub old_hash: &'a str,
    /// The hash of the token that is valid afterwards.
    pub new_hash: &'a str,
    /// Now.
    pub now: Timestamp,
    /// How long the new token is valid.
    pub idle: Duration,
    /// How long a login lasts, however often it is used.
    pub longest: Duration,
    /// How far from the exchange it may be repeated.
    pub repeated_within: Duration,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Replaces the token, if it is the valid one. The second of two that come with the same token finds it replaced.
pub fn rotate(rotation: &Rotation<'_>) -> Statement {
    Statement::new(
        "UPDATE logins SET token_hash = ?4, rotated_at = ?5, expires_at = min(?5 + ?6, created_at + ?7)
         WHERE org_id = ?1 AND id = ?2 AND token_hash = ?3 AND revoked_at IS NULL AND expires_at > ?5",
    )
    .bind_id(rotation.org)
    .bind_id(rotation.id)
    .bind(rotation.old_hash)
    .bind(rotation.new_hash)
    .bind(rotation.now)
    .bind(millis(rotation.idle))
    .bind(millis(rotation.longest))
}

/// After [`rotate`] in the same batch: revokes the login, unless the valid token is now the one that the shown token is
/// exchanged for and the exchange is new, or the shown token is the valid one of a login that has run out. Gives a row
/// only then. The exchange counts as new on both sides of its time: clocks of processes differ.
pub fn revoke_reused(rotation: &Rotation<'_>) -> Statement {
    Statement::new(
        "UPDATE logins SET revoked_at = ?5
         WHERE org_id = ?1 AND id = ?2 AND token_hash <> ?3 AND revoked_at IS NULL
           AND (token_hash <> ?4 OR abs(?5 - coalesce(rotated_at, 0)) > ?6) RETURNING user_id",
    )
    .bind_id(rotation.org)
    .bind_id(rotation.id)
    .bind(rotation.old_hash)
    .bind(rotation.new_hash)
    .bind(rotation.now)
    .bind(millis(rotation.repeated_within))
}

/// The user of a login whose valid token has this hash.
pub fn select_user(org: OrgId, id: LoginId, token_hash: &str) -> Statement {
    Statement::new(
        "SELECT u.org_id, o.name, u.id, u.email, u.name, u.role, u.password_hash, u.disabled_at
         FROM logins l
         JOIN users u ON u.org_id = l.org_id AND u.id = l.user_id
         JOIN organisations o ON o.id = u.org_id
         WHERE l.org_id = ?1 AND l.id = ?2 AND l.token_hash = ?3 AND l.revoked_at IS NULL",
    )
    .bind_id(org)
    .bind_id(id)
    .bind(token_hash)
}

/// Ends a login.
pub fn revoke(org: OrgId, id: LoginId, now: Timestamp) -> Statement {
    Statement::new("UPDATE logins SET revoked_at = ?3 WHERE org_id = ?1 AND id = ?2 AND revoked_at IS NULL")
        .bind_id(org)
        .bind_id(id)
        .bind(now)
}
