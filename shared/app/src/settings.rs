//! The settings of an organisation: read through a short cache, changed optimistically, every change in the audit log.

use std::rc::Rc;
use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::{SearchMode, Settings, SettingsPatch};
use frontdesk_ports::{CachedSettings, Ctx};
use serde_json::{Value, json};

use crate::auth::tokens::{ACCESS_SECONDS, VISITOR_SECONDS};
use crate::{audit, auth, retrieval, sites, store};

/// Until settings are read again.
const FRESH: Duration = Duration::from_secs(5);
/// Until a request waits for them to be read again; before that it gets the old ones.
const USABLE: Duration = Duration::from_secs(60);
/// For how long the others take what is known while one request reads it again.
const READ_BY_ANOTHER: Duration = Duration::from_millis(500);
/// By how much the clocks of processes may differ that write and read when a user was disabled.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
/// Until a request that went to read them again is given up.
const REFRESH_LIMIT: Duration = Duration::from_secs(10);

/// Settings with their version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned {
    /// Grows with every change; 0 when nothing was ever changed.
    pub version: u64,
    /// The settings.
    pub values: Rc<Settings>,
}

/// The settings as they are now, at most 5 s old where they are in use, never older than 60 s while the database
/// answers. Another process's change is seen within that time; this process's at once.
///
/// # Errors
/// When they were never read and the database does not answer.
pub async fn current(ctx: &Ctx, scope: &TenantScope) -> Result<Rc<Settings>> {
    let now = ctx.clock.now();
    let Some(cached) = ctx.caches.settings.get(scope.org()) else {
        count(ctx, "miss");
        return read(ctx, scope).await.map(|read| read.values);
    };
    // A clock that went back makes an entry of the future: it counts as old.
    let age = if cached.read_at > now { USABLE } else { now.since(cached.read_at) };
    if age < FRESH {
        count(ctx, "hit");
        return Ok(cached.settings);
    }
    if age < USABLE {
        count(ctx, "stale");
        let underway =
            cached.refreshing.is_some_and(|since| since <= now && now.since(since) < REFRESH_LIMIT);
        if !underway {
            ctx.caches.settings.refreshing(scope.org(), now);
            let (ctx, scope) = (ctx.clone(), scope.as_system());
            ctx.clone().tasks.spawn(
                "settings",
                Box::pin(async move {
                    if let Err(error) = read(&ctx, &scope).await {
                        tracing::warn!(%error, "settings could not be read again");
                    }
                }),
            );
        }
        return Ok(cached.settings);
    }
    count(ctx, "miss");
    match read(ctx, scope).await {
        Ok(read) => Ok(read.values),
        // Old settings are better than none: the front desk stays open while the database is away.
        Err(Error::Upstream { .. }) => Ok(cached.settings),
        Err(error) => Err(error),
    }
}

/// The settings for a user, with what is known of users, at most so old; while another request reads them again, at most
/// `while_read`. While the database does not answer, as old as they are: the end of a token comes soon enough.
///
/// # Errors
/// When they were never read and the database does not answer.
pub(crate) async fn of_user(
    ctx: &Ctx,
    scope: &TenantScope,
    at_most: Duration,
    while_read: Duration,
) -> Result<CachedSettings> {
    let now = ctx.clock.now();
    let cached = ctx.caches.settings.get(scope.org());
    if let Some(cached) = &cached
        && cached.read_at <= now
    {
        let age = now.since(cached.read_at);
        // Many connections of an organisation cost one read.
        let read_by_another =
            cached.refreshing.is_some_and(|since| since <= now && now.since(since) < READ_BY_ANOTHER);
        if age < at_most || (read_by_another && age < while_read) {
            count(ctx, "hit");
            return Ok(cached.clone());
        }
    }
    count(ctx, "miss");
    ctx.caches.settings.refreshing(scope.org(), now);
    match (read_stored(ctx, scope).await, cached) {
        (Ok((read, _)), _) => Ok(read),
        (Err(error @ Error::Upstream { .. }), Some(cached)) => {
            tracing::warn!(%error, "whether users are enabled cannot be read; what was known counts");
            Ok(cached)
        }
        (Err(error), _) => Err(error),
    }
}

fn count(ctx: &Ctx, result: &'static str) {
    ctx.metrics.cache.get_or_create(&[("cache", "settings"), ("result", result)]).inc();
}

/// The settings as they are stored, past the cache.
///
/// # Errors
/// When the database does not answer.
pub async fn read(ctx: &Ctx, scope: &TenantScope) -> Result<Versioned> {
    Ok(versioned(&read_stored(ctx, scope).await?.0))
}

fn versioned(entry: &CachedSettings) -> Versioned {
    Versioned { version: entry.version, values: Rc::clone(&entry.settings) }
}

/// The settings, and what is stored of them: a newer version may have stored more.
async fn read_stored(ctx: &Ctx, scope: &TenantScope) -> Result<(CachedSettings, Value)> {
    let read_at = ctx.clock.now();
    let since = read_at.before(Duration::from_secs(VISITOR_SECONDS));
    let tokens_since = read_at.before(Duration::from_secs(ACCESS_SECONDS)).before(CLOCKS_DIFFER);
    let statements = vec![
        store::settings::select(scope),
        store::sites::select_removed(scope, since),
        store::sites::select_origins(scope, sites::MAX_SITES),
        store::members::select_changed(scope, tokens_since),
        store::members::select_ended_logins(scope, tokens_since),
        store::api_keys::select_deleted(scope, tokens_since),
    ];
    let results = ctx.db.query(statements).await?;
    let (version, stored) = store::settings::changed(results.first().unwrap_or(&EMPTY))?;
    let entry = CachedSettings {
        version,
        settings: Rc::new(Settings::from_stored(&stored)),
        read_at,
        refreshing: None,
        removed_sites: Rc::new(store::sites::removed(results.get(1).unwrap_or(&EMPTY))?),
        origins: Rc::new(store::sites::origins(results.get(2).unwrap_or(&EMPTY))?),
        revoked: Rc::new(store::members::revoked(
            results.get(3).unwrap_or(&EMPTY),
            results.get(4).unwrap_or(&EMPTY),
            results.get(5).unwrap_or(&EMPTY),
        )?),
    };
    ctx.caches.settings.put(scope.org(), entry.clone());
    Ok((entry, stored))
}

static EMPTY: frontdesk_ports::Rows = frontdesk_ports::Rows { rows: Vec::new(), affected: 0 };

/// Changes settings by a JSON merge patch, if their version is still `if_match`. The audit entry is stored with it.
///
/// # Errors
/// 412 with the current version, 422 naming every wrong field, or an upstream error.
pub async fn patch(
    ctx: &Ctx,
    scope: &TenantScope,
    if_match: u64,
    patch: &SettingsPatch,
) -> Result<Versioned> {
    let (old, stored) = read_stored(ctx, scope).await?;
    if old.version != if_match {
        return Err(CallerError::Stale { current: old.version }.into());
    }
    let new = old.settings.patched(&patch.0).map_err(CallerError::Invalid)?;
    let by_meaning = |settings: &Settings| settings.retrieval.mode == SearchMode::Vector;
    if by_meaning(&new) && !by_meaning(&old.settings) && !retrieval::has_embedding_model(ctx) {
        let why = "vector needs an embedding model (OPENAI_EMBEDDING_MODEL), and none is configured";
        return Err(Error::invalid("/retrieval/mode", why));
    }
    let changes = old.settings.changes(&new);
    if changes.is_empty() {
        return Ok(versioned(&old));
    }
    let now = ctx.clock.now();
    let entry = audit::entry(
        ctx,
        scope,
        "settings.changed",
        "settings",
        json!({
            "version": old.version.saturating_add(1),
            "changes": changes,
        }),
    );
    let outcome = ctx
        .db
        .batch(vec![
            store::settings::upsert(scope, old.version, &new.to_stored_over(&stored), now),
            store::audit::insert_if_changed(&entry),
        ])
        .await;
    // Also after an error: it may be stored all the same.
    ctx.caches.settings.forget(scope.org());
    match outcome?.first().and_then(frontdesk_ports::Rows::first) {
        Some(row) => {
            let entry =
                CachedSettings { version: row.count(0)?, settings: Rc::new(new), read_at: now, ..old };
            ctx.caches.settings.put(scope.org(), entry.clone());
            Ok(versioned(&entry))
        }
        None => Err(CallerError::Stale { current: read(ctx, scope).await?.version }.into()),
    }
}

/// The settings for a caller that is not known yet: of the site's organisation, else of the only organisation, else the
/// defaults.
///
/// # Errors
/// 404 for an unknown site key; when the database does not answer.
pub async fn public(ctx: &Ctx, site_key: Option<&str>) -> Result<Rc<Settings>> {
    let scope = match site_key {
        Some(site_key) => Some(auth::scope_of_site(ctx, site_key).await?),
        None => auth::only_organisation(ctx).await?,
    };
    match scope {
        Some(scope) => current(ctx, &scope).await,
        None => Ok(Rc::default()),
    }
}
