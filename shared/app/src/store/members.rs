//! `members`: which persons belong to an organisation, and what each may do there. Those that were removed keep their row.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_domain::id::{OrgId, UserId};
use frontdesk_domain::scope::{Credential, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Revoked, Row, Rows, Statement};

use super::logins::Rotation;

/// A membership as its person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// In which organisation.
    pub org: OrgId,
    /// The organisation's name.
    pub name: String,
    /// What the person may do there.
    pub role: Role,
}

/// A member as its organisation sees it.
#[derive(Debug, Clone)]
pub struct MemberRow {
    /// Who.
    pub user: UserId,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// When it was disabled.
    pub disabled_at: Option<Timestamp>,
    /// Since when it is a member.
    pub joined_at: Timestamp,
    /// When its last login here began or was renewed.
    pub seen_at: Option<Timestamp>,
}

/// Who was removed joins again; who is a member stays as it is.
macro_rules! joins {
    ($select:literal) => {
        concat!(
            $select,
            " ON CONFLICT (org_id, user_id) DO UPDATE
              SET role = excluded.role, created_at = excluded.created_at, changed_at = excluded.changed_at,
                  disabled_at = NULL, removed_at = NULL
              WHERE members.removed_at IS NOT NULL
              RETURNING user_id"
        )
    };
}

/// Members of the organisation, as it sees them.
macro_rules! shown {
    ($which:literal, $order:literal) => {
        concat!(
            "SELECT m.user_id, u.name, u.email, m.role, m.disabled_at, m.created_at,
                (SELECT max(coalesce(l.used_at, l.created_at)) FROM logins l
                 WHERE l.user_id = m.user_id AND coalesce(l.in_org, l.org_id) = m.org_id)
             FROM members m JOIN users u ON u.id = m.user_id
             WHERE m.org_id = ?1 AND m.removed_at IS NULL AND ",
            $which,
            $order
        )
    };
}

/// A member from now on, unless the organisation has `most`, who was not one or was removed; gives a row only then.
pub fn insert(org: OrgId, user: UserId, role: Role, most: u32, now: Timestamp) -> Statement {
    Statement::new(joins!(
        "INSERT INTO members (org_id, user_id, role, created_at, changed_at)
         SELECT ?1, ?2, ?3, ?4, ?4
         WHERE (SELECT count(*) FROM members WHERE org_id = ?1 AND removed_at IS NULL) < ?5"
    ))
    .bind_id(org)
    .bind_id(user)
    .bind(role.name())
    .bind(now)
    .bind(most)
}

/// The same for who accepts an invitation: only when that was accepted by this login.
pub fn insert_invited(
    org: OrgId,
    user: UserId,
    invite: impl std::fmt::Display,
    login: impl std::fmt::Display,
    most: u32,
    now: Timestamp,
) -> Statement {
    Statement::new(joins!(
        "INSERT INTO members (org_id, user_id, role, created_at, changed_at)
         SELECT i.org_id, ?2, i.role, ?5, ?5 FROM invites i
         WHERE i.org_id = ?1 AND i.id = ?3 AND i.accepted_by = ?4
           AND (SELECT count(*) FROM members WHERE org_id = ?1 AND removed_at IS NULL) < ?6"
    ))
    .bind_id(org)
    .bind_id(user)
    .bind_id(invite)
    .bind_id(login)
    .bind(now)
    .bind(most)
}

/// The most memberships of a person that are read.
const MOST_OF_A_PERSON: i64 = 100;

/// Where the person with this address may come in, the oldest first. Before an organisation is chosen.
pub fn select_of_email(email: &str) -> Statement {
    Statement::new(
        "SELECT m.org_id, o.name, m.role FROM users u
         JOIN members m ON m.user_id = u.id JOIN organisations o ON o.id = m.org_id
         WHERE u.email = ?1 AND m.disabled_at IS NULL AND m.removed_at IS NULL
         ORDER BY m.created_at, m.org_id LIMIT ?2",
    )
    .bind(email)
    .bind(MOST_OF_A_PERSON)
}

/// Where a person may come in, the oldest first. Before an organisation is chosen.
pub fn select_of_person(user: UserId) -> Statement {
    Statement::new(
        "SELECT m.org_id, o.name, m.role FROM members m JOIN organisations o ON o.id = m.org_id
         WHERE m.user_id = ?1 AND m.disabled_at IS NULL AND m.removed_at IS NULL
         ORDER BY m.created_at, m.org_id LIMIT ?2",
    )
    .bind_id(user)
    .bind(MOST_OF_A_PERSON)
}

/// Where the person of a login may come in, if the login's valid token is one that the shown token is exchanged for.
pub fn select_of_login(rotation: &Rotation<'_>) -> Statement {
    Statement::new(
        "SELECT m.org_id, o.name, m.role FROM logins l
         JOIN members m ON m.user_id = l.user_id JOIN organisations o ON o.id = m.org_id
         WHERE l.org_id = ?1 AND l.id = ?2 AND l.token_hash IN (?3, ?4) AND l.revoked_at IS NULL
           AND m.disabled_at IS NULL AND m.removed_at IS NULL
         ORDER BY m.created_at, m.org_id LIMIT ?5",
    )
    .bind_id(rotation.org)
    .bind_id(rotation.id)
    .bind(rotation.new_hash)
    .bind(rotation.other_hash)
    .bind(MOST_OF_A_PERSON)
}

/// Rows of the three selects above.
pub fn memberships(rows: &Rows) -> Result<Vec<Membership>, DbError> {
    rows.rows
        .iter()
        .map(|row| Ok(Membership { org: row.parse(0)?, name: row.text(1)?.to_owned(), role: row.parse(2)? }))
        .collect()
}

/// The members, by id, after `after`.
pub fn select_page(scope: &TenantScope, after: Option<UserId>, limit: u32) -> Statement {
    Statement::new(shown!("m.user_id > ?2", " ORDER BY m.user_id LIMIT ?3"))
        .bind_id(scope.org())
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
}

/// One member.
pub fn select(scope: &TenantScope, user: UserId) -> Statement {
    Statement::new(shown!("m.user_id = ?2", "")).bind_id(scope.org()).bind_id(user)
}

/// The member with this address.
pub fn select_by_email(scope: &TenantScope, email: &str) -> Statement {
    Statement::new(
        "SELECT 1 FROM users u JOIN members m ON m.user_id = u.id
         WHERE u.email = ?2 AND m.org_id = ?1 AND m.removed_at IS NULL",
    )
    .bind_id(scope.org())
    .bind(email)
}

/// A row of [`select`] and [`select_page`].
pub fn member(row: &Row) -> Result<MemberRow, DbError> {
    Ok(MemberRow {
        user: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        email: row.text(2)?.to_owned(),
        role: row.parse(3)?,
        disabled_at: row.opt_int(4)?.map(Timestamp::from_millis),
        joined_at: row.time(5)?,
        seen_at: row.opt_int(6)?.map(Timestamp::from_millis),
    })
}

/// Gives a member another role, if it has this one still and an enabled owner is left; gives a row only then.
pub fn set_role(scope: &TenantScope, user: UserId, old: Role, new: Role, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE members SET role = ?4, changed_at = ?5
         WHERE org_id = ?1 AND user_id = ?2 AND role = ?3 AND removed_at IS NULL
           AND (?4 = 'owner' OR role <> 'owner' OR EXISTS (
                SELECT 1 FROM members o WHERE o.org_id = ?1 AND o.user_id <> ?2 AND o.role = 'owner'
                    AND o.disabled_at IS NULL AND o.removed_at IS NULL))
         RETURNING user_id",
    )
    .bind_id(scope.org())
    .bind_id(user)
    .bind(old.name())
    .bind(new.name())
    .bind(now)
}

/// Lets a member come in again, or no more, if an enabled owner is left; gives a row only then. `role` is the one that the
/// caller has seen.
pub fn set_disabled(
    scope: &TenantScope,
    user: UserId,
    role: Role,
    disabled: bool,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE members SET disabled_at = CASE WHEN ?4 THEN ?5 END, changed_at = ?5
         WHERE org_id = ?1 AND user_id = ?2 AND role = ?3 AND removed_at IS NULL
           AND (NOT ?4 OR role <> 'owner' OR EXISTS (
                SELECT 1 FROM members o WHERE o.org_id = ?1 AND o.user_id <> ?2 AND o.role = 'owner'
                    AND o.disabled_at IS NULL AND o.removed_at IS NULL))
         RETURNING user_id",
    )
    .bind_id(scope.org())
    .bind_id(user)
    .bind(role.name())
    .bind(disabled)
    .bind(now)
}

/// Takes a member out of the organisation, if an enabled owner is left; gives a row only then.
pub fn remove(scope: &TenantScope, user: UserId, role: Role, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE members SET removed_at = ?4, changed_at = ?4
         WHERE org_id = ?1 AND user_id = ?2 AND role = ?3 AND removed_at IS NULL
           AND (role <> 'owner' OR EXISTS (
                SELECT 1 FROM members o WHERE o.org_id = ?1 AND o.user_id <> ?2 AND o.role = 'owner'
                    AND o.disabled_at IS NULL AND o.removed_at IS NULL))
         RETURNING user_id",
    )
    .bind_id(scope.org())
    .bind_id(user)
    .bind(role.name())
    .bind(now)
}

/// Says what a member is now in the columns that versions before `members` go by: a release may be rolled back.
pub fn tell_earlier_versions(org: OrgId, user: UserId) -> Statement {
    Statement::new(
        "UPDATE users SET
            role = (SELECT m.role FROM members m WHERE m.org_id = ?1 AND m.user_id = ?2),
            disabled_at = (SELECT coalesce(m.removed_at, m.disabled_at) FROM members m
                           WHERE m.org_id = ?1 AND m.user_id = ?2)
         WHERE org_id = ?1 AND id = ?2
           AND EXISTS (SELECT 1 FROM members WHERE org_id = ?1 AND user_id = ?2)",
    )
    .bind_id(org)
    .bind_id(user)
}

/// Makes the members of persons whom an earlier version made, after a release was rolled back and is here again.
pub fn of_earlier_versions(now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO members (org_id, user_id, role, created_at, disabled_at, changed_at)
         SELECT org_id, id, role, created_at, disabled_at, ?1 FROM users
         WHERE NOT EXISTS (SELECT 1 FROM members m WHERE m.user_id = users.id)",
    )
    .bind(now)
}

/// The most that is read of what was taken away lately, of each kind.
const MOST_REVOKED: i64 = 1_000;

/// The members that changed after `since`, with what each may do now; null for those that may not come in.
pub fn select_changed(scope: &TenantScope, since: Timestamp) -> Statement {
    Statement::new(
        "SELECT user_id, CASE WHEN disabled_at IS NULL AND removed_at IS NULL THEN role END FROM members
         WHERE org_id = ?1 AND changed_at > ?2 ORDER BY changed_at DESC LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(since)
    .bind(MOST_REVOKED)
}

/// The logins of members that were ended after `since`.
pub fn select_ended_logins(scope: &TenantScope, since: Timestamp) -> Statement {
    Statement::new(
        "SELECT l.id FROM logins l JOIN members m ON m.org_id = ?1 AND m.user_id = l.user_id
         WHERE l.revoked_at > ?2 ORDER BY l.revoked_at DESC LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(since)
    .bind(MOST_REVOKED)
}

/// What [`select_changed`], [`select_ended_logins`] and [`super::api_keys::select_deleted`] gave.
pub fn revoked(changed: &Rows, ended: &Rows, deleted: &Rows) -> Result<Revoked, DbError> {
    for (rows, what) in [(changed, "members"), (ended, "logins"), (deleted, "keys")] {
        if i64::try_from(rows.rows.len()).is_ok_and(|rows| rows >= MOST_REVOKED) {
            tracing::warn!(
                what,
                most = MOST_REVOKED,
                "more changed lately than is read; tokens of the rest count to their end"
            );
        }
    }
    let mut members = BTreeMap::new();
    for row in &changed.rows {
        let known = row.opt_text(1)?.map(|_| row.parse(1)).transpose()?;
        members.insert(row.parse(0)?, known);
    }
    let mut credentials: BTreeSet<Credential> =
        ended.rows.iter().map(|row| row.parse(0).map(Credential::Login)).collect::<Result<_, _>>()?;
    credentials.extend(super::api_keys::deleted(deleted)?.into_iter().map(Credential::Key));
    Ok(Revoked { members, credentials })
}
