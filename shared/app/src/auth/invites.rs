//! Invitations: how a person becomes a member. The link holds a token that follows from the invitation's id under a key of the
//! deployment, so what is stored opens nothing.

use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{InviteId, OrgId, UserId};
use frontdesk_domain::password::weakness;
use frontdesk_domain::scope::{Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError, RegistrationMode};
use serde::Serialize;
use serde_json::json;

use super::accounts::{MAX_ORGANISATIONS, new_person, person_name};
use super::email::{WRONG as WRONG_EMAIL, normal_email};
use super::members::{FULL, MOST, within_own};
use super::sessions::{LoginFrom, NewSession, Session, WRONG, find, first, user_of};
use super::{passwords, tokens};
use crate::page::{self, Page};
use crate::store::invites::InviteRow;
use crate::{audit, policy, store};

/// How long an invitation can be accepted.
pub const VALID: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The most open invitations of an organisation.
pub const MOST_OPEN: u32 = 200;

/// An invitation, as the organisation sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// Who is invited.
    pub email: String,
    /// What the member is to be.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}

impl From<InviteRow> for Invite {
    fn from(row: InviteRow) -> Self {
        let InviteRow { id, email, role, created_at, expires_at, .. } = row;
        Self { id, email, role, created_at, expires_at }
    }
}

/// Invites a person, and gives the token for the link. Earlier invitations of the address count no more.
///
/// # Errors
/// 422 naming the field, 409 for one who is a member and when too many are open.
pub async fn create(ctx: &Ctx, scope: &TenantScope, email: &str, role: Role) -> Result<(Invite, String)> {
    let by = user_of(scope)?;
    let email = normal_email(email).ok_or_else(|| Error::invalid("/email", WRONG_EMAIL))?;
    within_own(scope, role)?;
    let now = ctx.clock.now();
    let row = InviteRow {
        org: scope.org(),
        id: InviteId::new(now, ctx.random.entropy()),
        email,
        role,
        invited_by: by.to_string(),
        created_at: now,
        expires_at: now.after(VALID),
        accepted_at: None,
        revoked_at: None,
    };
    let known = ctx.db.query(vec![store::members::select_by_email(scope, &row.email)]).await?;
    if first(&known, 0).is_some() {
        return Err(CallerError::Conflict("this person is a member already").into());
    }
    let detail = json!({ "role": role });
    let entry = audit::entry(ctx, scope, "invite.created", row.id.to_string(), detail);
    let batch = vec![
        store::invites::insert(&row, by, MOST_OPEN),
        store::audit::insert_if_changed(&entry),
        store::invites::revoke_earlier(&row),
    ];
    let results = ctx.db.batch(batch).await?;
    first(&results, 0).ok_or(CallerError::Conflict("an organisation has at most 200 open invitations"))?;
    let token = tokens::issue_invite_token(ctx, row.org, row.id);
    Ok((row.into(), token))
}

/// Open invitations, the oldest first. `cursor` is what the page before gave.
///
/// # Errors
/// 422 when the cursor is none.
pub async fn list(ctx: &Ctx, scope: &TenantScope, limit: u32, cursor: Option<&str>) -> Result<Page<Invite>> {
    let after = page::after(cursor)?;
    let statement = store::invites::select_page(scope, after, limit.saturating_add(1), ctx.clock.now());
    let results = ctx.db.query(vec![statement]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items =
        rows.iter().map(|row| Ok(store::invites::invite(row)?.into())).collect::<Result<Vec<Invite>>>()?;
    Ok(Page::cut(items, limit, |last| last.id.to_string()))
}

/// Takes an open invitation back.
///
/// # Errors
/// 404 when there is no such open one.
pub async fn revoke(ctx: &Ctx, scope: &TenantScope, id: InviteId) -> Result<()> {
    let entry = audit::entry(ctx, scope, "invite.revoked", id.to_string(), json!({}));
    let revoke = store::invites::revoke(scope, id, ctx.clock.now());
    let results = ctx.db.batch(vec![revoke, store::audit::insert_if_changed(&entry)]).await?;
    first(&results, 0).map(|_| ()).ok_or_else(|| Error::not_found("invitation"))
}

/// Accepts an invitation and logs its person in. A person who has an account shows its password; for another one an account is
/// made with this name and password.
///
/// # Errors
/// 403 for a person without an account where none are made, 404 for a token that was not made here, 409 when it was used, taken back or has run out, 401 for a wrong password of an
/// account that exists, 422 naming the field, 429.
pub async fn accept(
    ctx: &Ctx,
    token: &str,
    name: &str,
    password: &str,
    caller: &LoginFrom,
) -> Result<Session> {
    let (org, id) = tokens::verify_invite_token(ctx, token).ok_or_else(|| Error::not_found("invitation"))?;
    let results = ctx.db.query(vec![store::invites::select_of_token(org, id)]).await?;
    let invite = first(&results, 0).map(store::invites::invite).transpose()?;
    let invite = invite.ok_or_else(|| Error::not_found("invitation"))?;
    open(&invite, ctx.clock.now())?;
    // Checked of every person, so that what is wrong does not tell who has an account.
    let name = person_name(name).map_err(|detail| Error::invalid("/name", detail))?;
    if let Some(weak) = weakness(password, &[&invite.email, &name]) {
        return Err(Error::invalid("/password", weak));
    }
    let found = find(ctx, &invite.email, caller).await?;
    policy::login(ctx, &found.counted).await?;
    let (person, is_new) = match found.person {
        Some(person) => {
            if !passwords::verify(ctx, password, Some(&person.password_hash)).await? {
                return Err(WRONG.into());
            }
            (person, false)
        }
        None if ctx.config.registration == RegistrationMode::Closed => {
            return Err(CallerError::Forbidden(
                "accounts are made on the machine alone here; ask its operator",
            )
            .into());
        }
        None => (new_person(ctx, name, invite.email.clone(), password).await?, true),
    };
    if found.memberships.len() >= MAX_ORGANISATIONS {
        return Err(CallerError::Conflict("a person belongs to at most 50 organisations").into());
    }
    let now = ctx.clock.now();
    let login = NewSession::new(ctx, org, person.id, caller);
    let entry = audit::entry_of(
        ctx,
        org,
        person.id.to_string(),
        "invite.accepted",
        id.to_string(),
        json!({ "role": invite.role }),
    );
    let mut batch = vec![store::invites::accept(org, id, login.id, person.id, MOST, now)];
    if is_new {
        batch.push(store::users::insert_invited(&person, org, id, login.id, now));
    }
    batch.push(store::members::insert_invited(org, person.id, id, login.id, MOST, now));
    batch.push(store::audit::insert_if_changed(&entry));
    batch.push(store::members::tell_earlier_versions(org, person.id));
    let results = match ctx.db.batch(login.statements(ctx, batch, Some(id))).await {
        // Another one made an account of the address meanwhile.
        Err(DbError::Conflict(_)) => return Err(WRONG.into()),
        other => other?,
    };
    ctx.caches.settings.forget(org);
    if first(&results, 0).is_none() {
        return Err(not_accepted(ctx, org, id, person.id).await?.into());
    }
    NewSession::begun(&results)?;
    let memberships = ctx.db.query(vec![store::members::select_of_person(person.id)]).await?;
    let memberships = memberships.first().map(store::members::memberships).transpose()?.unwrap_or_default();
    login.session(ctx, person, memberships)
}

/// Why an invitation that was open a moment ago was not accepted.
async fn not_accepted(ctx: &Ctx, org: OrgId, id: InviteId, user: UserId) -> Result<CallerError> {
    let now =
        vec![store::invites::select_of_token(org, id), store::members::select(&super::system(org), user)];
    let results = ctx.db.query(now).await?;
    let invite = first(&results, 0).map(store::invites::invite).transpose()?;
    if let Some(Err(Error::Caller(closed))) = invite.map(|invite| open(&invite, ctx.clock.now())) {
        return Ok(closed);
    }
    Ok(match first(&results, 1) {
        Some(_) => CallerError::Conflict("you are a member already; please log in, or ask an administrator"),
        None => FULL,
    })
}

const USED: CallerError = CallerError::Conflict("this invitation was used already; please log in");

fn open(invite: &InviteRow, now: Timestamp) -> Result<()> {
    if invite.accepted_at.is_some() {
        return Err(USED.into());
    }
    if invite.revoked_at.is_some() {
        return Err(CallerError::Conflict("this invitation was taken back; ask for a new one").into());
    }
    if invite.expires_at <= now {
        return Err(CallerError::Conflict("this invitation has run out; ask for a new one").into());
    }
    Ok(())
}
