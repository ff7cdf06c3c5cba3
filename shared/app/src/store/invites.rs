//! `invites`: who was asked to become a member. The token of an invitation is not stored: it follows from its id.

use frontdesk_domain::id::{InviteId, LoginId, OrgId, UserId};
use frontdesk_domain::scope::{Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// To which organisation.
    pub org: OrgId,
    /// Its id.
    pub id: InviteId,
    /// The address of who is invited.
    pub email: String,
    /// What the member is to be.
    pub role: Role,
    /// Who invites.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
    /// When it was accepted.
    pub accepted_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// A new one, unless `most` are open; gives a row only then.
pub fn insert(invite: &InviteRow, invited_by: UserId, most: u32) -> Statement {
    Statement::new(
        "INSERT INTO invites (org_id, id, email, role, invited_by, created_at, expires_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
         WHERE (SELECT count(*) FROM invites
                WHERE org_id = ?1 AND email <> ?3 AND accepted_at IS NULL AND revoked_at IS NULL
                    AND expires_at > ?6) < ?8
         RETURNING id",
    )
    .bind_id(invite.org)
    .bind_id(invite.id)
    .bind(&invite.email)
    .bind(invite.role.name())
    .bind_id(invited_by)
    .bind(invite.created_at)
    .bind(invite.expires_at)
    .bind(most)
}

/// Takes earlier open ones for the same address back, once this one is there: the newest counts.
pub fn revoke_earlier(invite: &InviteRow) -> Statement {
    Statement::new(
        "UPDATE invites SET revoked_at = ?4
         WHERE org_id = ?1 AND email = ?2 AND id <> ?3 AND accepted_at IS NULL AND revoked_at IS NULL
           AND EXISTS (SELECT 1 FROM invites WHERE org_id = ?1 AND id = ?3)",
    )
    .bind_id(invite.org)
    .bind(&invite.email)
    .bind_id(invite.id)
    .bind(invite.created_at)
}

/// Open invitations, the oldest first, after `after`.
pub fn select_page(scope: &TenantScope, after: Option<InviteId>, limit: u32, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT org_id, id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at FROM invites
         WHERE org_id = ?1 AND id > ?2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?4
         ORDER BY id LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .bind(now)
}

/// The invitation of a token that was issued here.
pub fn select_of_token(org: OrgId, id: InviteId) -> Statement {
    Statement::new(
        "SELECT org_id, id, email, role, invited_by, created_at, expires_at, accepted_at, revoked_at FROM invites
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(org)
    .bind_id(id)
}

/// Takes an open one back; gives its row only then.
pub fn revoke(scope: &TenantScope, id: InviteId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE invites SET revoked_at = ?3
         WHERE org_id = ?1 AND id = ?2 AND accepted_at IS NULL AND revoked_at IS NULL RETURNING email",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(now)
}

/// Takes back the open ones that a member made and could not make any more: it is out, or has a lesser role now.
pub fn revoke_of_member(scope: &TenantScope, user: UserId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE invites SET revoked_at = ?3
         WHERE org_id = ?1 AND invited_by = ?2 AND accepted_at IS NULL AND revoked_at IS NULL
           AND NOT EXISTS (
                SELECT 1 FROM members m WHERE m.org_id = ?1 AND m.user_id = ?2
                    AND m.disabled_at IS NULL AND m.removed_at IS NULL
                    AND (m.role = 'owner' OR (m.role = 'admin' AND invites.role <> 'owner')))",
    )
    .bind_id(scope.org())
    .bind_id(user)
    .bind(now)
}

/// Accepts an open one by the login that it begins, if the person is no member and the organisation has fewer than `most`;
/// gives a row only then.
pub fn accept(
    org: OrgId,
    id: InviteId,
    login: LoginId,
    user: UserId,
    most: u32,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE invites SET accepted_at = ?4, accepted_by = ?3
         WHERE org_id = ?1 AND id = ?2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > ?4
           AND NOT EXISTS (SELECT 1 FROM members WHERE org_id = ?1 AND user_id = ?5 AND removed_at IS NULL)
           AND (SELECT count(*) FROM members WHERE org_id = ?1 AND removed_at IS NULL) < ?6
         RETURNING id",
    )
    .bind_id(org)
    .bind_id(id)
    .bind_id(login)
    .bind(now)
    .bind_id(user)
    .bind(most)
}

/// A row of the selects above.
pub fn invite(row: &Row) -> Result<InviteRow, DbError> {
    Ok(InviteRow {
        org: row.parse(0)?,
        id: row.parse(1)?,
        email: row.text(2)?.to_owned(),
        role: row.parse(3)?,
        invited_by: row.text(4)?.to_owned(),
        created_at: row.time(5)?,
        expires_at: row.time(6)?,
        accepted_at: row.opt_int(7)?.map(Timestamp::from_millis),
        revoked_at: row.opt_int(8)?.map(Timestamp::from_millis),
    })
}
