//! Keys for programs. A key counts with the role that it was given until it is deleted, runs out, or its maker may not give that
//! role any more (`members::write`). In a conversation and for limits it is a user of its own, whose id has the key's number; the
//! audit names the key itself. What a key may not do at all, [`Permission::for_keys`] says.
//!
//! [`Permission::for_keys`]: frontdesk_domain::permission::Permission::for_keys

use std::net::IpAddr;
use std::time::Duration;

use frontdesk_domain::api_key::ApiKey;
use frontdesk_domain::error::{CallerError, Error, FieldError, Result};
use frontdesk_domain::id::{ApiKeyId, UserId};
use frontdesk_domain::networks::Networks;
use frontdesk_domain::scope::{Actor, Credential, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, KnownKey};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::members::within_own;
use super::sessions::{first, user_of};
use super::tokens::ACCESS_SECONDS;
use super::{Authenticated, person_name};
use crate::page::{self, Page};
use crate::store::api_keys::ApiKeyRow;
use crate::{audit, policy, store};

/// The most keys of an organisation.
pub const MOST: u32 = 100;
/// How long what was read of a key counts: with what a request takes, a deleted one is out within 5 s in every process.
const KNOWN_FOR: Duration = Duration::from_secs(3);
/// How far apart uses are noted.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// What one learns who shows a key that does not count, whatever is wrong with it.
const INVALID: CallerError = CallerError::Unauthenticated("the key is not valid, or was deleted");

/// A key as its organisation sees it; never the key itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ApiKeyRecord {
    /// Its id. The key has the same letters and digits after `fdk_`.
    pub id: ApiKeyId,
    /// Its name: of what it does in a conversation, visitors see this.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The networks from which it counts; empty for everywhere.
    pub addresses: Vec<String>,
    /// The member who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it counts; null for until it is deleted.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, within a minute; null when never.
    pub used_at: Option<Timestamp>,
}

impl From<ApiKeyRow> for ApiKeyRecord {
    fn from(row: ApiKeyRow) -> Self {
        let ApiKeyRow { id, name, role, addresses, created_by, created_at, expires_at, used_at } = row;
        Self { id, name, role, addresses: addresses.texts(), created_by, created_at, expires_at, used_at }
    }
}

/// What is said of a new key.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Until when it counts.
    pub expires_at: Option<Timestamp>,
    /// The networks from which it counts.
    pub addresses: Vec<String>,
}

/// Makes a key and gives it: this once.
///
/// # Errors
/// 422 naming every wrong field, 409 when there are too many.
pub async fn create(ctx: &Ctx, scope: &TenantScope, new: NewApiKey) -> Result<(ApiKeyRecord, SecretString)> {
    let created_by = user_of(scope)?;
    let now = ctx.clock.now();
    let NewApiKey { name, role, expires_at, addresses } = new;
    let mut wrong = Vec::new();
    let name = person_name(&name).unwrap_or_else(|detail| {
        wrong.push(FieldError { pointer: "/name".to_owned(), detail });
        String::new()
    });
    if let Err(Error::Caller(CallerError::Invalid(fields))) = within_own(scope, role) {
        wrong.extend(fields);
    }
    if expires_at.is_some_and(|at| at <= now) {
        let detail = "must be later than now".to_owned();
        wrong.push(FieldError { pointer: "/expires_at".to_owned(), detail });
    }
    let addresses = Networks::parse(&addresses, "/addresses").unwrap_or_else(|fields| {
        wrong.extend(fields);
        Networks::default()
    });
    if !wrong.is_empty() {
        return Err(CallerError::Invalid(wrong).into());
    }
    let id = ApiKeyId::new(now, ctx.random.entropy());
    let mut random = [0; 32];
    ctx.random.fill(&mut random);
    let key = ApiKey::new(id, random);
    let row = ApiKeyRow { id, name, role, addresses, created_by, created_at: now, expires_at, used_at: None };
    let detail = json!({
        "name": row.name, "role": role, "expires_at": expires_at, "addresses": row.addresses.texts(),
    });
    let entry = audit::entry(ctx, scope, "api_key.created", id.to_string(), detail);
    let results = ctx
        .db
        .batch(vec![
            store::api_keys::insert(scope, &row, &hash(&key), MOST),
            store::audit::insert_if_changed(&entry),
            store::api_keys::delete_old(scope, now),
        ])
        .await?;
    first(&results, 0)
        .ok_or(CallerError::Conflict("an organisation has at most 100 keys; delete one first"))?;
    Ok((row.into(), key.text().to_owned().into()))
}

/// The keys, the oldest first. `cursor` is what the page before gave.
///
/// # Errors
/// 422 when the cursor is none.
pub async fn list(
    ctx: &Ctx,
    scope: &TenantScope,
    limit: u32,
    cursor: Option<&str>,
) -> Result<Page<ApiKeyRecord>> {
    let after = page::after(cursor)?;
    let statement = store::api_keys::select_page(scope, after, limit.saturating_add(1));
    let results = ctx.db.query(vec![statement]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items = rows
        .iter()
        .map(|row| Ok(store::api_keys::api_key(row)?.into()))
        .collect::<Result<Vec<ApiKeyRecord>>>()?;
    Ok(Page::cut(items, limit, |last| last.id.to_string()))
}

/// Deletes a key. It counts no more within seconds, also for what is open.
///
/// # Errors
/// 404.
pub async fn delete(ctx: &Ctx, scope: &TenantScope, id: ApiKeyId) -> Result<()> {
    let entry = audit::entry(ctx, scope, "api_key.deleted", id.to_string(), json!({}));
    let delete = store::api_keys::delete(scope, id, ctx.clock.now());
    let results = ctx.db.batch(vec![delete, store::audit::insert_if_changed(&entry)]).await;
    // Also after an error: it may be stored all the same.
    ctx.caches.keys.forget(id);
    ctx.caches.settings.forget(scope.org());
    first(&results?, 0).map(|_| ()).ok_or_else(|| Error::not_found("key"))
}

/// Who a key stands for. `address` is where it comes from.
///
/// # Errors
/// 401 when it does not count (any more), 403 from an address that is not on its list, 429, or an upstream error.
#[expect(clippy::disallowed_methods, reason = "this is authentication")]
pub(super) async fn authenticate(ctx: &Ctx, text: &str, address: Option<IpAddr>) -> Result<Authenticated> {
    let key = ApiKey::parse(text).ok_or(INVALID)?;
    let known = known(ctx, key.id(), address).await?.ok_or(INVALID)?;
    if !bool::from(hash(&key).ct_eq(&known.hash)) {
        return Err(INVALID.into());
    }
    let now = ctx.clock.now();
    if known.expires_at.is_some_and(|at| at <= now) {
        return Err(CallerError::Unauthenticated("the key has run out").into());
    }
    // Without networks a key counts everywhere; with them not from an address that is not known.
    if !known.addresses.is_empty() && !address.is_some_and(|address| known.addresses.have(address)) {
        tracing::warn!(key = %key.id(), "a key was shown from an address that is not on its list");
        return Err(CallerError::Forbidden("this key does not count from your address").into());
    }
    note_use(ctx, key.id(), &known, now);
    // A connection ends as a user's does, so that what was deleted meanwhile has to be known no longer than that.
    let longest = now.after(Duration::from_secs(ACCESS_SECONDS));
    let expires = known.expires_at.map_or(longest, |at| at.min(longest));
    let user = UserId::from_uuid(key.id().uuid());
    let actor = Actor::User { user, name: known.name, role: known.role };
    let scope = TenantScope::authenticated(known.org, actor).by(Some(Credential::Key(key.id())));
    Ok(Authenticated { scope, expires })
}

/// What is stored of a key, a few seconds ago at most. To read it costs the caller's address one call, as anyone can make up ids.
async fn known(ctx: &Ctx, id: ApiKeyId, address: Option<IpAddr>) -> Result<Option<KnownKey>> {
    let now = ctx.clock.now();
    if let Some(known) = ctx.caches.keys.get(id)
        && known.read_at <= now
        && now.since(known.read_at) < KNOWN_FOR
    {
        return Ok(Some(known));
    }
    policy::lookup(ctx, address).await?;
    let results = ctx.db.query(vec![store::api_keys::select_named(id)]).await?;
    let known = first(&results, 0).map(|row| store::api_keys::known(row, now)).transpose()?;
    match &known {
        Some(known) => ctx.caches.keys.put(id, known.clone()),
        None => ctx.caches.keys.forget(id),
    }
    Ok(known)
}

/// Notes in a while that a key was used; the request does not wait for it.
fn note_use(ctx: &Ctx, id: ApiKeyId, known: &KnownKey, now: Timestamp) {
    let before = now.before(NOTED_EVERY);
    if known.used_at.is_some_and(|at| at > before) {
        return;
    }
    ctx.caches.keys.put(id, KnownKey { used_at: Some(now), ..known.clone() });
    let note = store::api_keys::note_use(known.org, id, now, before);
    let ctx = ctx.clone();
    ctx.clone().tasks.spawn(
        "key_use",
        Box::pin(async move {
            if let Err(error) = ctx.db.batch(vec![note]).await {
                tracing::warn!(%error, key = %id, "that a key was used could not be noted");
            }
        }),
    );
}

fn hash(key: &ApiKey) -> [u8; 32] {
    Sha256::digest(key.text().as_bytes()).into()
}
