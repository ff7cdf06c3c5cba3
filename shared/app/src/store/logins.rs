//! `logins`: one row per login, with the hash of the one refresh token that is valid now.

use std::time::Duration;

use frontdesk_domain::id::{InviteId, LoginId, OrgId, UserId};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A new login.
#[derive(Debug, Clone)]
pub struct NewLogin<'a> {
    /// In which organisation it begins.
    pub org: OrgId,
    /// Its id.
    pub id: LoginId,
    /// Whose it is.
    pub user: UserId,
    /// The hash of its first refresh token.
    pub token_hash: &'a str,
    /// Now.
    pub now: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// Where it begins, as it is counted.
    pub address: &'a str,
    /// With which program, as that says itself.
    pub client: &'a str,
    /// The invitation that it accepts: without that it does not begin.
    pub invite: Option<InviteId>,
}

/// A new login of a member that may come in; gives a row only then.
pub fn insert(login: &NewLogin<'_>) -> Statement {
    Statement::new(
        "INSERT INTO logins (org_id, id, user_id, token_hash, created_at, expires_at, revoked_at, used_at, address, client)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, NULL, ?5, ?7, ?8
         WHERE EXISTS (SELECT 1 FROM members WHERE org_id = ?1 AND user_id = ?3
                       AND disabled_at IS NULL AND removed_at IS NULL)
           AND (?9 IS NULL OR EXISTS (SELECT 1 FROM invites WHERE org_id = ?1 AND id = ?9 AND accepted_by = ?2))
         RETURNING id",
    )
    .bind_id(login.org)
    .bind_id(login.id)
    .bind_id(login.user)
    .bind(login.token_hash)
    .bind(login.now)
    .bind(login.expires_at)
    .bind(login.address)
    .bind(login.client)
    .bind(login.invite.map(|id| id.to_string()))
}

/// The most logins that a person has at once.
pub const MOST_OF_A_PERSON: i64 = 100;

/// Once a new login is there, ends the one that the same browser had before, and the oldest ones of a person that has too many.
pub fn revoke_superfluous(user: UserId, new: LoginId, before: Option<LoginId>, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE logins SET revoked_at = ?3
         WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?3 AND id <> ?5
           AND EXISTS (SELECT 1 FROM logins WHERE user_id = ?1 AND id = ?5)
           AND (id = ?2 OR id NOT IN (
                SELECT id FROM logins WHERE user_id = ?1 AND revoked_at IS NULL AND expires_at > ?3
                ORDER BY created_at DESC, id DESC LIMIT ?4))",
    )
    .bind_id(user)
    .bind(before.map(|id| id.to_string()))
    .bind(now)
    .bind(MOST_OF_A_PERSON)
    .bind_id(new)
}

/// Deletes the person's logins that can be used no more.
pub fn delete_expired(user: UserId, now: Timestamp) -> Statement {
    Statement::new("DELETE FROM logins WHERE user_id = ?1 AND expires_at < ?2").bind_id(user).bind(now)
}

/// A row when a login of the person with this address that goes on began at this network address.
pub fn select_known_address(email: &str, address: &str, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT 1 FROM users u JOIN logins l ON l.user_id = u.id
         WHERE u.email = ?1 AND l.address = ?2 AND l.revoked_at IS NULL AND l.expires_at > ?3 LIMIT 1",
    )
    .bind(email)
    .bind(address)
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
    /// The hash of the one that a process which signs with another key would make valid; where there is none, the same.
    pub other_hash: &'a str,
    /// Now.
    pub now: Timestamp,
    /// Into which organisation the login goes on; none leaves it where it is.
    pub into: Option<OrgId>,
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

/// Replaces the token, if it is the valid one. The second of two that come with the same token finds it replaced. Nothing is
/// done when the login is to go on in an organisation that its person may not come into.
pub fn rotate(rotation: &Rotation<'_>) -> Statement {
    Statement::new(
        "UPDATE logins SET token_hash = ?4, rotated_at = ?5, used_at = ?5, expires_at = min(?5 + ?6, created_at + ?7),
             in_org = coalesce(?8, in_org)
         WHERE org_id = ?1 AND id = ?2 AND token_hash = ?3 AND revoked_at IS NULL AND expires_at > ?5
           AND (?8 IS NULL OR EXISTS (SELECT 1 FROM members m WHERE m.org_id = ?8 AND m.user_id = logins.user_id
                                      AND m.disabled_at IS NULL AND m.removed_at IS NULL))",
    )
    .bind_id(rotation.org)
    .bind_id(rotation.id)
    .bind(rotation.old_hash)
    .bind(rotation.new_hash)
    .bind(rotation.now)
    .bind(millis(rotation.idle))
    .bind(millis(rotation.longest))
    .bind(rotation.into.map(|org| org.to_string()))
}

/// After [`rotate`] in the same batch: revokes the login, unless the valid token is now the one that the shown token is
/// exchanged for and the exchange is new, or the shown token is the valid one of a login that has run out. Gives a row
/// only then. The exchange counts as new on both sides of its time: clocks of processes differ.
pub fn revoke_reused(rotation: &Rotation<'_>) -> Statement {
    Statement::new(
        "UPDATE logins SET revoked_at = ?5
         WHERE org_id = ?1 AND id = ?2 AND token_hash <> ?3 AND revoked_at IS NULL
           AND (token_hash NOT IN (?4, ?7) OR abs(?5 - coalesce(rotated_at, 0)) > ?6) RETURNING user_id",
    )
    .bind_id(rotation.org)
    .bind_id(rotation.id)
    .bind(rotation.old_hash)
    .bind(rotation.new_hash)
    .bind(rotation.now)
    .bind(millis(rotation.repeated_within))
    .bind(rotation.other_hash)
}

/// After [`rotate`] in the same batch: the person of a login whose valid token is one that the shown token is exchanged for,
/// the organisation that it is in, and the token's hash.
pub fn select_person(rotation: &Rotation<'_>) -> Statement {
    Statement::new(
        "SELECT u.id, u.email, u.name, u.password_hash, coalesce(l.in_org, l.org_id), l.token_hash
         FROM logins l JOIN users u ON u.id = l.user_id
         WHERE l.org_id = ?1 AND l.id = ?2 AND l.token_hash IN (?3, ?4) AND l.revoked_at IS NULL",
    )
    .bind_id(rotation.org)
    .bind_id(rotation.id)
    .bind(rotation.new_hash)
    .bind(rotation.other_hash)
}

/// Chooses the organisation in which a login goes on, if this is the hash of its valid token.
pub fn choose(org: OrgId, id: LoginId, token_hash: &str, into: OrgId) -> Statement {
    Statement::new(
        "UPDATE logins SET in_org = ?4 WHERE org_id = ?1 AND id = ?2 AND token_hash = ?3 AND revoked_at IS NULL",
    )
    .bind_id(org)
    .bind_id(id)
    .bind(token_hash)
    .bind_id(into)
}

/// A row when this is the hash of a login's valid token.
pub fn select_valid(org: OrgId, id: LoginId, token_hash: &str, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT 1 FROM logins
         WHERE org_id = ?1 AND id = ?2 AND token_hash = ?3 AND revoked_at IS NULL AND expires_at > ?4",
    )
    .bind_id(org)
    .bind_id(id)
    .bind(token_hash)
    .bind(now)
}

/// A login as its person sees it.
#[derive(Debug, Clone)]
pub struct LoginRow {
    /// Its id.
    pub id: LoginId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last.
    pub used_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// Where it began.
    pub address: Option<String>,
    /// With which program.
    pub client: Option<String>,
}

/// The logins of a person that can be used, the newest first.
pub fn select_of_person(user: UserId, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT id, created_at, coalesce(used_at, rotated_at, created_at), expires_at, address, client FROM logins
         WHERE user_id = ?1 AND expires_at > ?2 AND revoked_at IS NULL ORDER BY created_at DESC, id DESC LIMIT ?3",
    )
    .bind_id(user)
    .bind(now)
    .bind(MOST_OF_A_PERSON)
}

/// A row of [`select_of_person`].
pub fn login(row: &Row) -> Result<LoginRow, DbError> {
    Ok(LoginRow {
        id: row.parse(0)?,
        created_at: row.time(1)?,
        used_at: row.time(2)?,
        expires_at: row.time(3)?,
        address: row.opt_text(4)?.map(str::to_owned),
        client: row.opt_text(5)?.map(str::to_owned),
    })
}

/// Ends a login of a person; gives a row only when it was not ended.
pub fn revoke_of_person(user: UserId, id: LoginId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE logins SET revoked_at = ?3 WHERE user_id = ?1 AND id = ?2 AND revoked_at IS NULL RETURNING id",
    )
    .bind_id(user)
    .bind_id(id)
    .bind(now)
}

/// Ends the logins of a person, all but one where that is named.
pub fn revoke_others(user: UserId, kept: Option<LoginId>, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE logins SET revoked_at = ?3
         WHERE user_id = ?1 AND (?2 IS NULL OR id <> ?2) AND revoked_at IS NULL AND expires_at > ?3",
    )
    .bind_id(user)
    .bind(kept.map(|id| id.to_string()))
    .bind(now)
}

/// Ends a login.
pub fn revoke(org: OrgId, id: LoginId, now: Timestamp) -> Statement {
    Statement::new("UPDATE logins SET revoked_at = ?3 WHERE org_id = ?1 AND id = ?2 AND revoked_at IS NULL")
        .bind_id(org)
        .bind_id(id)
        .bind(now)
}
