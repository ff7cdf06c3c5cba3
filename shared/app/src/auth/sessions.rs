//! Logging in, staying logged in, logging out.

use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{LoginId, OrgId, UserId};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_ports::{Ctx, Rows};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;

use super::tokens::{self, ACCESS_SECONDS, RefreshToken};
use super::{normal_email, passwords};
use crate::store::logins::Rotation;
use crate::store::users::UserRow;
use crate::{audit, store};

/// How long a login lasts that is not used.
pub const IDLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a login lasts, however often it is used.
pub const LONGEST: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long the exchange of a refresh token may be repeated: by a second tab, or by a client that lost the answer.
pub const REPEATED_WITHIN: Duration = Duration::from_secs(10);

/// A user, as it sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// Its e-mail address.
    pub email: String,
    /// What it may do.
    pub role: Role,
}

/// An organisation, as its users see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Organisation {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
}

/// A user who is logged in.
pub struct Session {
    /// For the `Authorization` header.
    pub access_token: String,
    /// How long it is valid, in seconds.
    pub expires_in: u64,
    /// For the cookie.
    pub refresh_token: SecretString,
    /// Who.
    pub user: User,
    /// Of which organisation.
    pub organisation: Organisation,
}

const WRONG: CallerError = CallerError::Unauthenticated("the e-mail address or the password is wrong");
const ENDED: CallerError = CallerError::Unauthenticated("this login has ended; please log in again");

/// Logs a user in. An unknown address, a wrong password and a disabled user are the same answer in the same time.
///
/// # Errors
/// 401, or an upstream error.
pub async fn login(ctx: &Ctx, email: &str, password: &str) -> Result<Session> {
    let found = match normal_email(email) {
        Some(email) => {
            let results = ctx.db.query(vec![store::users::select_by_email(&email)]).await?;
            first(&results, 0).map(store::users::user).transpose()?
        }
        None => None,
    };
    let right =
        passwords::verify(ctx, password, found.as_ref().map(|user| user.password_hash.as_str())).await?;
    let Some(user) = found.filter(|user| right && user.disabled_at.is_none()) else {
        return Err(WRONG.into());
    };
    let now = ctx.clock.now();
    let login = LoginId::new(now, ctx.random.entropy());
    let token = RefreshToken::new(ctx, user.org, login);
    let entry =
        audit::entry_of(ctx, user.org, user.id.to_string(), "login.created", login.to_string(), json!({}));
    ctx.db
        .batch(vec![
            store::logins::delete_expired(user.org, user.id, now),
            store::logins::insert(user.org, login, user.id, &token.hash(), now, tokens::refresh_expiry(now)),
            store::audit::insert(&entry),
        ])
        .await?;
    session(ctx, user, login, &token)
}

/// Exchanges a refresh token for a new pair. Repeated within [`REPEATED_WITHIN`], the last exchange gives the same refresh
/// token again; any other token that was exchanged before ends the login, as there is a copy of it.
///
/// # Errors
/// 401, or an upstream error.
pub async fn refresh(ctx: &Ctx, token: &str) -> Result<Session> {
    let shown = RefreshToken::parse(ctx, token).ok_or(ENDED)?;
    let next = shown.successor(ctx);
    let (old_hash, new_hash) = (shown.hash(), next.hash());
    let rotation = Rotation {
        org: shown.org,
        id: shown.login,
        old_hash: &old_hash,
        new_hash: &new_hash,
        now: ctx.clock.now(),
        idle: IDLE,
        longest: LONGEST,
        repeated_within: REPEATED_WITHIN,
    };
    let entry = audit::entry_of(
        ctx,
        shown.org,
        "system".to_owned(),
        "login.reused",
        shown.login.to_string(),
        json!({}),
    );
    let results = ctx
        .db
        .batch(vec![
            store::logins::rotate(&rotation),
            store::logins::revoke_reused(&rotation),
            store::audit::insert_if_changed(&entry),
            store::logins::select_user(shown.org, shown.login, &new_hash),
        ])
        .await?;
    if first(&results, 1).is_some() {
        tracing::warn!(login = %shown.login, "a refresh token was used again after its exchange; the login was ended");
    }
    let user = first(&results, 3).map(store::users::user).transpose()?;
    match user {
        Some(user) if user.disabled_at.is_none() => session(ctx, user, shown.login, &next),
        _ => Err(ENDED.into()),
    }
}

/// Ends the login of a refresh token. No error when there is none.
///
/// # Errors
/// An upstream error.
pub async fn logout(ctx: &Ctx, token: Option<&str>) -> Result<()> {
    if let Some(shown) = token.and_then(|token| RefreshToken::parse(ctx, token)) {
        let revoke = store::logins::revoke(shown.org, shown.login, ctx.clock.now());
        let login = shown.login.to_string();
        let entry = audit::entry_of(ctx, shown.org, "system".to_owned(), "login.ended", login, json!({}));
        ctx.db.batch(vec![revoke, store::audit::insert_if_changed(&entry)]).await?;
    }
    Ok(())
}

/// The user that asks, as it is stored now.
///
/// # Errors
/// 401 when it was disabled or deleted meanwhile, or is no user; or an upstream error.
pub async fn me(ctx: &Ctx, scope: &TenantScope) -> Result<(User, Organisation)> {
    let Actor::User { user, .. } = scope.actor() else {
        return Err(CallerError::Unauthenticated("a user's token is needed").into());
    };
    let results = ctx.db.query(vec![store::users::select(scope, *user)]).await?;
    let row = first(&results, 0).map(store::users::user).transpose()?;
    let row = row.filter(|row| row.disabled_at.is_none()).ok_or(ENDED)?;
    Ok(split(row))
}

fn session(ctx: &Ctx, row: UserRow, login: LoginId, token: &RefreshToken) -> Result<Session, Error> {
    let access_token = tokens::issue_access_token(ctx, row.org, row.id, &row.name, row.role, login)?;
    let (user, organisation) = split(row);
    Ok(Session {
        access_token,
        expires_in: ACCESS_SECONDS,
        refresh_token: token.text().to_owned().into(),
        user,
        organisation,
    })
}

fn split(row: UserRow) -> (User, Organisation) {
    (
        User { id: row.id, name: row.name, email: row.email, role: row.role },
        Organisation { id: row.org, name: row.org_name },
    )
}

fn first(results: &[Rows], statement: usize) -> Option<&frontdesk_ports::Row> {
    results.get(statement).and_then(Rows::first)
}
