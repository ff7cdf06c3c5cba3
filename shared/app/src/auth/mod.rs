//! Who is asking. The only place that makes a [`TenantScope`] of a token.
//!
//! Four kinds of token, none of which can be taken for another: an *access token* (a user, 15 minutes), a *visitor
//! token* (a browser on one site, 30 days), both signed with keys of their own derived from `JWT_SECRET`, an opaque
//! *refresh token* that is replaced with each use, and a *key* of a program, of which a hash is stored. What was taken away from users lately (who was disabled or has another
//! role, which logins were ended) is read with the organisation's settings and is at most 3.5 s old for a user's request; a
//! connection that stays open is checked, so that it ends within 5 s.

mod accounts;
mod email;
pub mod invites;
pub mod keys;
pub mod members;
pub mod passwords;
pub mod sessions;
pub mod tokens;

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_domain::api_key::ApiKey;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;

use crate::{settings, store};

pub use accounts::{
    MAX_NAME_CHARS, NewAccount, NewUser, RegistrationMode, change_name, change_password, create_admin,
    create_user, person_name, register,
};
pub use email::{WRONG as WRONG_EMAIL, normal_email};
pub use sessions::{LoginFrom, NO_PERSON, Organisation, Session, User, login, logout, me, refresh, switch};
pub use tokens::{issue_visitor_token, verify_visitor_token};

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// The proof.
    pub scope: TenantScope,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// Who sends a request from `address`, by its token.
///
/// # Errors
/// 401 when the token is not valid (any more), or its user is not enabled any more; of a key also 403 and 429.
pub async fn authenticate(ctx: &Ctx, token: &str, address: Option<IpAddr>) -> Result<Authenticated> {
    if token.starts_with(ApiKey::PREFIX) {
        return keys::authenticate(ctx, token, address).await;
    }
    let Some(authenticated) = tokens::verify_access_token(ctx, token) else {
        return verify_visitor_token(ctx, token);
    };
    if is_let_in(ctx, &authenticated.scope, KNOWN_FOR, KNOWN_WHILE_READ).await.0 {
        return Ok(authenticated);
    }
    Err(sessions::OUT.into())
}

/// How old what is known of users may be when one sends a request.
const KNOWN_FOR: Duration = Duration::from_secs(3);
/// The same while another request reads it again.
const KNOWN_WHILE_READ: Duration = Duration::from_millis(3_500);

/// Whether the caller of an open connection may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// It may, by what is at most so old as was asked for.
    Yes,
    /// It may, by what is older, as that is being read again for another connection: to be asked again at once.
    SoFar,
    /// It may not.
    No,
}

/// Whether the caller of an open connection is still let in, by what is at most so old: a user that is enabled, has this role
/// and a login or key that goes on, and any caller that is no user. A database that does not answer puts nobody out: the
/// token's end comes soon enough. Many connections of an organisation cost one read.
pub async fn may_stay(ctx: &Ctx, scope: &TenantScope, at_most: Duration) -> Stay {
    match is_let_in(ctx, scope, at_most, Duration::MAX).await {
        (false, _) => Stay::No,
        (true, Some(age)) if age >= at_most => Stay::SoFar,
        (true, _) => Stay::Yes,
    }
}

/// Whether a caller is let in, and how old what says so is, where anything does.
async fn is_let_in(
    ctx: &Ctx,
    scope: &TenantScope,
    at_most: Duration,
    while_read: Duration,
) -> (bool, Option<Duration>) {
    if !matches!(scope.actor(), Actor::User { .. }) {
        return (true, None);
    }
    match settings::of_user(ctx, scope, at_most, while_read).await {
        Ok(known) => (!known.revoked.holds(scope), Some(ctx.clock.now().since(known.read_at))),
        Err(error) => {
            tracing::warn!(%error, "whether a user is enabled cannot be read; the user is let in");
            (true, None)
        }
    }
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
