//! Who is asking. The only place that makes a [`TenantScope`] (beside the job queue).
//!
//! Three kinds of token, none of which can be taken for another: an *access token* (a user, 15 minutes), a *visitor
//! token* (a browser on one site, 30 days), both signed with keys of their own derived from `JWT_SECRET`, and an opaque
//! *refresh token* that is replaced with each use. An access token is not looked up for a single request: a user who is
//! disabled or logged out keeps at most its last 15 minutes. A connection that stays open is checked again and again.

pub mod passwords;
pub mod sessions;
pub mod tokens;

use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{OrgId, UserId};
use frontdesk_domain::password::weakness;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError};

use crate::store::users::UserRow;
use crate::{audit, store};

pub use sessions::{Organisation, Session, User, login, logout, me, refresh};
pub use tokens::{issue_visitor_token, verify_visitor_token};

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The proof.
    pub scope: TenantScope,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// Who sends a request, by its token.
///
/// # Errors
/// 401 when the token is not valid (any more).
#[expect(clippy::unused_async, reason = "API keys, which come next, are looked up in the database")]
pub async fn authenticate(ctx: &Ctx, token: &str) -> Result<Authenticated> {
    match tokens::verify_access_token(ctx, token) {
        Some(authenticated) => Ok(authenticated),
        None => verify_visitor_token(ctx, token),
    }
}

/// Whether the caller is still let in by what is stored of it: a user that is enabled, and whoever is no user. Remembered
/// for [`frontdesk_ports::UsersCache::FRESH`], so that many connections of a user cost one look.
///
/// # Errors
/// When the database does not answer.
pub async fn is_enabled(ctx: &Ctx, scope: &TenantScope) -> Result<bool> {
    let Actor::User { user, .. } = scope.actor() else { return Ok(true) };
    if let Some(known) = ctx.caches.users.get(scope.org(), *user, ctx.clock.now()) {
        return Ok(known);
    }
    ctx.caches.users.refreshing(scope.org(), *user, ctx.clock.now());
    let results = ctx.db.query(vec![store::users::select_enabled(scope, *user)]).await?;
    let enabled = results.first().is_some_and(|rows| rows.first().is_some());
    ctx.caches.users.put(scope.org(), *user, ctx.clock.now(), enabled);
    Ok(enabled)
}

/// The scope of the system itself in the only organisation of this deployment; `None` when there is none yet, or
/// several.
///
/// # Errors
/// When the database does not answer.
pub async fn only_organisation(ctx: &Ctx) -> Result<Option<TenantScope>> {
    const FRESH: Duration = Duration::from_secs(30);
    let now = ctx.clock.now();
    let cached = *ctx.caches.only_org.borrow();
    let org = match cached {
        // "None" is not remembered: the first organisation is there as soon as it is made.
        Some((at, Some(org))) if at <= now && now.since(at) < FRESH => Some(org),
        _ => {
            let results = ctx.db.query(vec![store::settings::select_two_organisations()]).await?;
            let org = match results.first() {
                Some(rows) if rows.rows.len() == 1 => store::settings::org(rows)?,
                _ => None,
            };
            *ctx.caches.only_org.borrow_mut() = Some((now, org));
            org
        }
    };
    Ok(org.map(system))
}

/// The scope of the system itself in the organisation of a site.
///
/// # Errors
/// 404 for an unknown key; when the database does not answer.
pub async fn scope_of_site(ctx: &Ctx, site_key: &str) -> Result<TenantScope> {
    let results = ctx.db.query(vec![store::settings::select_org_of_site(site_key)]).await?;
    let org = results.first().map(store::settings::org).transpose()?.flatten();
    org.map(system).ok_or_else(|| Error::not_found("site"))
}

/// The scope of the system itself: for work that no user asked for.
#[expect(clippy::disallowed_methods, reason = "this is authentication")]
pub(crate) const fn system(org: OrgId) -> TenantScope {
    TenantScope::authenticated(org, Actor::System)
}

/// Who a new user is.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The name that others see.
    pub name: &'a str,
    /// The address to log in with.
    pub email: &'a str,
    /// The password.
    pub password: &'a str,
    /// What it may do.
    pub role: Role,
}

/// Creates the first administrator of an organisation, its owner.
///
/// # Errors
/// As [`create_user`].
pub async fn create_admin(ctx: &Ctx, org: OrgId, email: &str, password: &str) -> Result<UserId> {
    create_user(ctx, org, NewUser { name: "Admin", email, password, role: Role::Owner }).await
}

/// Creates a user of an organisation.
///
/// # Errors
/// 422 when the address or the password will not do, 409 when the address is taken, or an upstream error.
pub async fn create_user(ctx: &Ctx, org: OrgId, new: NewUser<'_>) -> Result<UserId> {
    let email =
        normal_email(new.email).ok_or_else(|| Error::invalid("/email", "must be an e-mail address"))?;
    if let Some(weak) = weakness(new.password, &[&email, new.name]) {
        return Err(Error::invalid("/password", weak));
    }
    let now = ctx.clock.now();
    let row = UserRow {
        org,
        org_name: String::new(),
        id: UserId::new(now, ctx.random.entropy()),
        email,
        name: new.name.to_owned(),
        role: new.role,
        password_hash: passwords::hash(ctx, new.password).await?,
        disabled_at: None,
    };
    let entry = audit::entry(
        ctx,
        &system(org),
        "user.created",
        row.id.to_string(),
        serde_json::json!({ "role": new.role }),
    );
    match ctx.db.batch(vec![store::users::insert(&row, now), store::audit::insert(&entry)]).await {
        Ok(_) => Ok(row.id),
        Err(DbError::Conflict(_)) => {
            Err(CallerError::Conflict("a user with this e-mail address exists").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// An address as it is stored: trimmed and in lower case. `None` when it cannot be one.
#[must_use]
pub fn normal_email(email: &str) -> Option<String> {
    let email = email.trim();
    let (local, domain) = email.rsplit_once('@')?;
    let plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
    (email.len() <= 254 && !local.is_empty() && domain.len() >= 3 && email.chars().all(plain))
        .then(|| email.to_lowercase())
}
