//! Logging in, staying logged in, choosing an organisation, logging out.

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{InviteId, LoginId, OrgId, UserId};
use frontdesk_domain::scope::{Actor, Credential, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Rows, Statement};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::tokens::{self, ACCESS_SECONDS, RefreshToken};
use super::{normal_email, passwords};
use crate::store::logins::{LoginRow, NewLogin, Rotation};
use crate::store::members::Membership;
use crate::store::users::Person;
use crate::{audit, policy, store};

/// How long a login lasts that is not used.
pub const IDLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a login lasts, however often it is used.
pub const LONGEST: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long the exchange of a refresh token may be repeated: by a second tab, or by a client that lost the answer.
pub const REPEATED_WITHIN: Duration = Duration::from_secs(10);
/// What is kept of a program's own name, in characters.
const MAX_CLIENT_CHARS: usize = 200;

/// A user, as it sees itself in an organisation.
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
    /// What the user may do in it.
    pub role: Role,
}

impl From<Membership> for Organisation {
    fn from(membership: Membership) -> Self {
        Self { id: membership.org, name: membership.name, role: membership.role }
    }
}

/// A user who is logged in.
pub struct Session {
    /// For the `Authorization` header.
    pub access_token: String,
    /// How long it is valid, in seconds.
    pub expires_in: u64,
    /// For the cookie.
    pub refresh_token: SecretString,
    /// For the cookie by which the browser is known again; only of a login.
    pub device_token: Option<String>,
    /// Who.
    pub user: User,
    /// In which organisation.
    pub organisation: Organisation,
    /// All in which the user may work.
    pub organisations: Vec<Organisation>,
}

/// From where somebody logs in.
#[derive(Debug, Clone, Default)]
pub struct LoginFrom {
    /// The network address.
    pub address: Option<IpAddr>,
    /// What the browser has kept from a login before.
    pub device: Option<String>,
    /// The refresh token of the login that the browser has still: the new one takes its place.
    pub before: Option<SecretString>,
    /// The program, as it says itself.
    pub client: String,
}

impl LoginFrom {
    /// The address as it is counted and stored.
    pub(super) fn network(&self) -> String {
        policy::address(self.address)
    }

    /// The program's name as it is stored.
    pub(super) fn client(&self) -> String {
        self.client.chars().filter(|letter| !letter.is_control()).take(MAX_CLIENT_CHARS).collect()
    }
}

pub(super) const WRONG: CallerError =
    CallerError::Unauthenticated("the e-mail address or the password is wrong");
/// What a key is told that asks for what persons alone may do.
pub const NO_PERSON: &str = "a key is no person and lets no one in: this call is for a user's own token";
/// Said to a user whose token is good and who may not come in any more.
pub(super) const OUT: CallerError = CallerError::Unauthenticated(
    "the user is not enabled any more, has another role, or this login has ended",
);
const ENDED: CallerError = CallerError::Unauthenticated("this login has ended; please log in again");

/// Logs a user in, in the organisation that it names, else in the first one that it belongs to. An unknown address, a wrong
/// password and a user who may come in nowhere are the same answer after the same work.
///
/// Attempts are counted by account, so that no password is guessed from many addresses. A stranger cannot lock a user out by
/// that: a browser that has logged in before, and the network of a login before, have allowances of their own.
///
/// # Errors
/// 401, 404 for an organisation that the user does not belong to, 429, or an upstream error.
pub async fn login(
    ctx: &Ctx,
    email: &str,
    password: &str,
    organisation: Option<OrgId>,
    caller: &LoginFrom,
) -> Result<Session> {
    let found = find(ctx, email, caller).await?;
    policy::login(ctx, &found.counted).await?;
    let right =
        passwords::verify(ctx, password, found.person.as_ref().map(|person| person.password_hash.as_str()))
            .await?;
    let Some(person) = found.person.filter(|_| right && !found.memberships.is_empty()) else {
        return Err(WRONG.into());
    };
    let chosen = match organisation {
        Some(org) => found
            .memberships
            .iter()
            .find(|membership| membership.org == org)
            .ok_or_else(|| Error::not_found("organisation"))?,
        None => found.memberships.first().ok_or(WRONG)?,
    };
    let org = chosen.org;
    let login = NewSession::new(ctx, org, person.id, caller);
    let batch = login.statements(ctx, Vec::new(), None);
    let begun = ctx.db.batch(batch).await?;
    NewSession::begun(&begun)?;
    login.session(ctx, person, found.memberships)
}

/// What is known of who wants to log in.
pub(super) struct FoundAccount {
    pub person: Option<Person>,
    pub memberships: Vec<Membership>,
    /// Against what the attempt counts.
    pub counted: String,
}

/// Looks an address up: the same statements for one that is known and one that is not.
pub(super) async fn find(ctx: &Ctx, email: &str, caller: &LoginFrom) -> Result<FoundAccount> {
    // What is no address is looked up all the same.
    let email = normal_email(email).unwrap_or_default();
    let network = caller.network();
    let results = ctx
        .db
        .query(vec![
            store::users::select_by_email(&email),
            store::members::select_of_email(&email),
            store::logins::select_known_address(&email, &network, ctx.clock.now()),
        ])
        .await?;
    let person = first(&results, 0).map(store::users::person).transpose()?;
    let memberships = results.get(1).map(store::members::memberships).transpose()?.unwrap_or_default();
    let device = person.as_ref().and_then(|person| {
        let device = caller.device.as_deref()?;
        tokens::is_device_of(ctx, device, person.id).then_some(device)
    });
    let counted = match device {
        Some(device) => format!("device:{device}"),
        // Where addresses are not known all are one.
        None if caller.address.is_some() && first(&results, 2).is_some() => {
            format!("network:{network}:{email}")
        }
        None => format!("account:{email}"),
    };
    Ok(FoundAccount { person, memberships, counted })
}

/// A login that begins.
pub(super) struct NewSession {
    org: OrgId,
    user: UserId,
    pub id: LoginId,
    token: RefreshToken,
    network: String,
    client: String,
    before: Option<LoginId>,
}

impl NewSession {
    pub fn new(ctx: &Ctx, org: OrgId, user: UserId, caller: &LoginFrom) -> Self {
        let id = LoginId::new(ctx.clock.now(), ctx.random.entropy());
        let token = RefreshToken::new(ctx, org, id);
        let before = caller.before.as_ref().and_then(|token| RefreshToken::parse(ctx, token.expose_secret()));
        let before = before.map(|token| token.login);
        Self { org, user, id, token, network: caller.network(), client: caller.client(), before }
    }

    /// The statements before, and those that begin the login; of one that accepts an invitation only with that.
    pub fn statements(&self, ctx: &Ctx, before: Vec<Statement>, invite: Option<InviteId>) -> Vec<Statement> {
        let now = ctx.clock.now();
        let entry = audit::entry_of(
            ctx,
            self.org,
            self.user.to_string(),
            "login.created",
            self.id.to_string(),
            json!({}),
        );
        let hash = self.token.hash();
        let mut batch = before;
        batch.push(store::logins::delete_expired(self.user, now));
        batch.push(store::logins::insert(&NewLogin {
            org: self.org,
            id: self.id,
            user: self.user,
            token_hash: &hash,
            now,
            expires_at: tokens::refresh_expiry(now),
            address: &self.network,
            client: &self.client,
            invite,
        }));
        batch.push(store::audit::insert_if_changed(&entry));
        batch.push(store::logins::revoke_superfluous(self.user, self.id, self.before, now));
        batch
    }

    /// Whether the statements began it: they do not when the member was disabled meanwhile.
    pub fn begun(results: &[Rows]) -> Result<()> {
        // The last but two of them.
        first(results, results.len().saturating_sub(3)).map(|_| ()).ok_or_else(|| WRONG.into())
    }

    pub fn session(self, ctx: &Ctx, person: Person, memberships: Vec<Membership>) -> Result<Session> {
        let device = tokens::issue_device_token(ctx, person.id);
        let session = session(ctx, person, memberships, self.org, self.id, &self.token)?;
        Ok(Session { device_token: Some(device), ..session })
    }
}

/// Exchanges a refresh token for a new pair. Repeated within [`REPEATED_WITHIN`], the last exchange gives the same refresh
/// token again; any other token that was exchanged before ends the login, as there is a copy of it.
///
/// # Errors
/// 401, or an upstream error.
pub async fn refresh(ctx: &Ctx, token: &str) -> Result<Session> {
    exchange(ctx, token, None).await
}

/// The same, and the login goes on in another organisation of its user.
///
/// # Errors
/// 401, 404 for an organisation that the user does not belong to, or an upstream error. The token stays valid then.
pub async fn switch(ctx: &Ctx, token: &str, organisation: OrgId) -> Result<Session> {
    exchange(ctx, token, Some(organisation)).await
}

async fn exchange(ctx: &Ctx, token: &str, into: Option<OrgId>) -> Result<Session> {
    let shown = RefreshToken::parse(ctx, token).ok_or(ENDED)?;
    let next = shown.successors(ctx);
    let old_hash = shown.hash();
    let hashes: Vec<String> = next.iter().map(RefreshToken::hash).collect();
    let (new_hash, other_hash) = hashes.first().zip(hashes.last()).ok_or(ENDED)?;
    let now = ctx.clock.now();
    let rotation = Rotation {
        org: shown.org,
        id: shown.login,
        old_hash: &old_hash,
        new_hash,
        other_hash,
        now,
        into,
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
            store::logins::select_person(&rotation),
            store::members::select_of_login(&rotation),
            store::logins::select_valid(shown.org, shown.login, &old_hash, now),
        ])
        .await?;
    if first(&results, 1).is_some() {
        tracing::warn!(login = %shown.login, "a refresh token was used again after its exchange; the login was ended");
    }
    let Some(row) = first(&results, 3) else {
        // The token is valid still: what was refused is the organisation.
        let valid = first(&results, 5).is_some();
        return Err(if valid { Error::not_found("organisation") } else { ENDED.into() });
    };
    let person = store::users::person(row)?;
    let chosen: OrgId = row.parse(4)?;
    let memberships = results.get(4).map(store::members::memberships).transpose()?.unwrap_or_default();
    // Who was taken out of the organisation that the login is in goes on in another one.
    let org = [chosen]
        .into_iter()
        .chain(memberships.iter().map(|membership| membership.org))
        .find(|org| memberships.iter().any(|membership| membership.org == *org))
        .ok_or(ENDED)?;
    // The one that is stored: another process may have exchanged it under another key.
    let given = row.text(5)?;
    let next = next.iter().zip(&hashes).find(|(_, hash)| *hash == given).ok_or(ENDED)?.0;
    let org = match into {
        Some(wanted) if wanted != org => {
            if !memberships.iter().any(|membership| membership.org == wanted) {
                return Err(Error::not_found("organisation"));
            }
            // Another tab exchanged the token a moment ago: what is left to do is to choose.
            ctx.db.batch(vec![store::logins::choose(shown.org, shown.login, given, wanted)]).await?;
            wanted
        }
        _ => org,
    };
    session(ctx, person, memberships, org, shown.login, next)
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
        ctx.caches.settings.forget(shown.org);
    }
    Ok(())
}

/// The user that asks, as it is stored now: itself, its organisation, and all of its organisations.
///
/// # Errors
/// 401 when it was disabled or removed meanwhile, or is no user; or an upstream error.
pub async fn me(ctx: &Ctx, scope: &TenantScope) -> Result<(User, Organisation, Vec<Organisation>)> {
    let user = user_of(scope)?;
    let statements = vec![store::users::select(user), store::members::select_of_person(user)];
    let results = ctx.db.query(statements).await?;
    let person = first(&results, 0).map(store::users::person).transpose()?.ok_or(OUT)?;
    let memberships = results.get(1).map(store::members::memberships).transpose()?.unwrap_or_default();
    split(person, memberships, scope.org()).map_err(|_| OUT.into())
}

/// The user that asks.
///
/// # Errors
/// 401 for any other caller, 403 for a key.
pub(super) fn user_of(scope: &TenantScope) -> Result<UserId> {
    if scope.is_key() {
        return Err(CallerError::Forbidden(NO_PERSON).into());
    }
    match scope.actor() {
        Actor::User { user, .. } => Ok(*user),
        Actor::Visitor { .. } | Actor::System => {
            Err(CallerError::Unauthenticated("a user's token is needed").into())
        }
    }
}

/// A login as its user sees it.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Login {
    /// Its id.
    pub id: LoginId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was used last, within 15 minutes.
    pub used_at: Timestamp,
    /// When it ends unless it is used.
    pub expires_at: Timestamp,
    /// Where it began; of IPv6 the network. Null for one from before that was kept.
    pub address: Option<String>,
    /// With which program, as that says itself. Null for one from before that was kept.
    pub client: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The logins of the user that asks, the newest first.
///
/// # Errors
/// 401 when no user asks; or an upstream error.
pub async fn logins(ctx: &Ctx, scope: &TenantScope) -> Result<Vec<Login>> {
    let statement = store::logins::select_of_person(user_of(scope)?, ctx.clock.now());
    let results = ctx.db.query(vec![statement]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    rows.iter().map(|row| Ok(shown(store::logins::login(row)?, scope))).collect()
}

fn shown(row: LoginRow, scope: &TenantScope) -> Login {
    let LoginRow { id, created_at, used_at, expires_at, address, client } = row;
    let address = address.map(|address| address.strip_prefix("ip:").unwrap_or(&address).to_owned());
    let current = scope.credential() == Some(Credential::Login(id));
    Login { id, created_at, used_at, expires_at, address, client, current }
}

/// Ends a login of the user that asks; its access token counts no more within seconds.
///
/// # Errors
/// 404, 401 when no user asks, or an upstream error.
pub async fn end_login(ctx: &Ctx, scope: &TenantScope, id: LoginId) -> Result<()> {
    let entry = audit::entry(ctx, scope, "login.ended", id.to_string(), json!({}));
    let revoke = store::logins::revoke_of_person(user_of(scope)?, id, ctx.clock.now());
    let results = ctx.db.batch(vec![revoke, store::audit::insert_if_changed(&entry)]).await?;
    first(&results, 0).ok_or_else(|| Error::not_found("login"))?;
    ctx.caches.settings.forget(scope.org());
    Ok(())
}

fn session(
    ctx: &Ctx,
    person: Person,
    memberships: Vec<Membership>,
    org: OrgId,
    login: LoginId,
    token: &RefreshToken,
) -> Result<Session> {
    let (user, organisation, organisations) = split(person, memberships, org)?;
    let access_token = tokens::issue_access_token(ctx, org, user.id, &user.name, user.role, login)?;
    Ok(Session {
        access_token,
        expires_in: ACCESS_SECONDS,
        refresh_token: token.text().to_owned().into(),
        device_token: None,
        user,
        organisation,
        organisations,
    })
}

fn split(
    person: Person,
    memberships: Vec<Membership>,
    org: OrgId,
) -> Result<(User, Organisation, Vec<Organisation>)> {
    let organisations: Vec<Organisation> = memberships.into_iter().map(Organisation::from).collect();
    let here = organisations.iter().find(|organisation| organisation.id == org).cloned().ok_or(ENDED)?;
    let Person { id, email, name, .. } = person;
    Ok((User { id, name, email, role: here.role }, here, organisations))
}

pub(super) fn first(results: &[Rows], statement: usize) -> Option<&frontdesk_ports::Row> {
    results.get(statement).and_then(Rows::first)
}
