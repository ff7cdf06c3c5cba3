//! The members of an organisation: who they are, what each may do, and who may not come in any more.
//!
//! The last owner that may come in stays one, and no member acts on one above itself or gives a role above its own. The
//! statements decide of the member that is changed, not a read before: of two owners who demote each other at once, one stays.
//! The caller's own role is the one of its token, which is out within 5 s after it changed.

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::UserId;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Statement};
use serde::Serialize;
use serde_json::json;

use super::sessions::first;
use crate::page::{self, Page};
use crate::store::members::MemberRow;
use crate::{audit, store};

/// The most members of an organisation.
pub const MOST: u32 = 1_000;

/// Said where there is no room for one more.
pub(super) const FULL: CallerError = CallerError::Conflict("an organisation has at most 1000 members");

const LAST_OWNER: CallerError =
    CallerError::Conflict("an organisation keeps an owner who may come in; make another member one first");

/// A member, as its organisation sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Member {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Its e-mail address.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may not come in.
    pub disabled: bool,
    /// Since when it is a member.
    pub joined_at: Timestamp,
    /// When a login of it was begun or renewed here last; null when never.
    pub seen_at: Option<Timestamp>,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        let MemberRow { user, name, email, role, disabled_at, joined_at, seen_at } = row;
        Self { id: user, name, email, role, disabled: disabled_at.is_some(), joined_at, seen_at }
    }
}

/// What changes of a member. What is absent stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemberChange {
    /// What it may do from now on.
    pub role: Option<Role>,
    /// Whether it may not come in from now on.
    pub disabled: Option<bool>,
}

/// The members, the oldest account first. `cursor` is what the page before gave.
///
/// # Errors
/// 422 when the cursor is none.
pub async fn list(ctx: &Ctx, scope: &TenantScope, limit: u32, cursor: Option<&str>) -> Result<Page<Member>> {
    let after = page::after(cursor)?;
    let statement = store::members::select_page(scope, after, limit.saturating_add(1));
    let results = ctx.db.query(vec![statement]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items =
        rows.iter().map(|row| Ok(store::members::member(row)?.into())).collect::<Result<Vec<Member>>>()?;
    Ok(Page::cut(items, limit, |last| last.id.to_string()))
}

/// A member.
///
/// # Errors
/// 404.
pub async fn get(ctx: &Ctx, scope: &TenantScope, id: UserId) -> Result<Member> {
    let results = ctx.db.query(vec![store::members::select(scope, id)]).await?;
    let row = first(&results, 0).ok_or_else(|| Error::not_found("member"))?;
    Ok(store::members::member(row)?.into())
}

/// Changes a member. It counts within seconds, also for what is open.
///
/// # Errors
/// 404, 403 for a member above the caller, 422 for a role above the caller's own, 409 for the last owner and when it changed
/// meanwhile.
pub async fn change(ctx: &Ctx, scope: &TenantScope, id: UserId, change: MemberChange) -> Result<Member> {
    let member = acted_on(ctx, scope, id).await?;
    let now = ctx.clock.now();
    let mut role = member.role;
    if let Some(new) = change.role.filter(|new| *new != member.role) {
        within_own(scope, new)?;
        let detail = json!({ "from": member.role, "to": new });
        let update = store::members::set_role(scope, id, member.role, new, now);
        write(ctx, scope, &member, "member.role_changed", detail, update).await?;
        role = new;
    }
    if let Some(disabled) = change.disabled.filter(|disabled| *disabled != member.disabled) {
        let action = if disabled { "member.disabled" } else { "member.enabled" };
        let update = store::members::set_disabled(scope, id, role, disabled, now);
        write(ctx, scope, &Member { role, ..member }, action, json!({}), update).await?;
    }
    get(ctx, scope, id).await
}

/// Takes a member out of the organisation. Its account and its other organisations stay, and what it wrote here does.
///
/// # Errors
/// As [`change`].
pub async fn remove(ctx: &Ctx, scope: &TenantScope, id: UserId) -> Result<()> {
    let member = acted_on(ctx, scope, id).await?;
    let update = store::members::remove(scope, id, member.role, ctx.clock.now());
    write(ctx, scope, &member, "member.removed", json!({ "role": member.role }), update).await
}

/// The member, if the caller may act on it.
async fn acted_on(ctx: &Ctx, scope: &TenantScope, id: UserId) -> Result<Member> {
    let member = get(ctx, scope, id).await?;
    if own_role(scope).is_some_and(|own| member.role > own) {
        return Err(CallerError::Forbidden("this member's role is above yours").into());
    }
    Ok(member)
}

/// What the caller itself may do; `None` for Frontdesk and the operator of the machine.
fn own_role(scope: &TenantScope) -> Option<Role> {
    match scope.actor() {
        Actor::User { role, .. } => Some(*role),
        Actor::Visitor { .. } => Some(Role::Viewer),
        Actor::System => None,
    }
}

/// Refuses a role above the caller's own.
pub(super) fn within_own(scope: &TenantScope, role: Role) -> Result<()> {
    if own_role(scope).is_some_and(|own| role > own) {
        return Err(Error::invalid("/role", "must not be above your own role"));
    }
    Ok(())
}

async fn write(
    ctx: &Ctx,
    scope: &TenantScope,
    member: &Member,
    action: &'static str,
    detail: serde_json::Value,
    update: Statement,
) -> Result<()> {
    let entry = audit::entry(ctx, scope, action, member.id.to_string(), detail);
    let now = ctx.clock.now();
    let ended = audit::entry(ctx, scope, "member.made_ended", member.id.to_string(), json!({}));
    let batch = vec![
        update,
        store::audit::insert_if_changed(&entry),
        store::members::tell_earlier_versions(scope.org(), member.id),
        // What it made to let others in ends with what it may do itself.
        store::invites::revoke_of_member(scope, member.id, now),
        store::api_keys::delete_of_member(scope, member.id, now),
        store::audit::insert_made_ended(&ended, member.id, now),
    ];
    let results = ctx.db.batch(batch).await;
    // Also after an error: it may be stored all the same.
    ctx.caches.settings.forget(scope.org());
    if first(&results?, 0).is_some() {
        return Ok(());
    }
    let now = get(ctx, scope, member.id).await?;
    if now.role == member.role && now.role == Role::Owner {
        return Err(LAST_OWNER.into());
    }
    Err(CallerError::Conflict("the member was changed meanwhile; please look again").into())
}
