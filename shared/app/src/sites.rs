//! Sites: the pages on which the widget is shown. Made, changed and removed by an administrator or by the operator of the
//! machine.
//!
//! A removed site is one on which nothing happens any more: its key begins no session, and its visitors' tokens count no
//! longer ([`is_removed`]). What was said there stays with the organisation.

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::SiteId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::site::{Site, SiteChange, Theme};
use frontdesk_ports::{Ctx, Rows};
use serde_json::{Map, Value, json};

use crate::page::{self, Page};
use crate::{audit, origin, projects, settings, store};

/// The most sites of an organisation.
pub const MAX_SITES: u32 = 200;
/// How often a change is tried that others overtake.
const ATTEMPTS: usize = 5;
/// The language of a site that names none.
const DEFAULT_LOCALE: &str = "en";

/// Makes a site; `name` and `origins` are needed.
///
/// # Errors
/// 422 naming every wrong field, 409 when there are too many.
pub async fn create(ctx: &Ctx, scope: &TenantScope, new: &SiteChange) -> Result<Site> {
    let needed = [("/name", new.name.is_none()), ("/origins", new.origins.is_none())];
    if let Some((pointer, _)) = needed.iter().find(|(_, missing)| *missing) {
        return Err(Error::invalid(*pointer, "is needed"));
    }
    let blank = blank(ctx, scope);
    let site = blank.changed(new, origin::exact).map_err(CallerError::Invalid)?;
    let entry = audit::entry(
        ctx,
        scope,
        "site.created",
        site.id.to_string(),
        json!({ "changes": differences(&blank, &site) }),
    );
    let batch = vec![store::sites::insert(&site, MAX_SITES), store::audit::insert_if_changed(&entry)];
    if ctx.db.batch(batch).await?.first().and_then(Rows::first).is_none() {
        has_project(ctx, scope, &site).await?;
        return Err(CallerError::Conflict("an organisation has at most 200 sites").into());
    }
    Ok(site)
}

/// That the project of a site is one of the organisation's.
async fn has_project(ctx: &Ctx, scope: &TenantScope, site: &Site) -> Result<()> {
    match projects::get(ctx, scope, site.project).await {
        Err(Error::Caller(CallerError::NotFound { .. })) => {
            Err(Error::invalid("/project", "must be a project of the organisation"))
        }
        other => other.map(|_| ()),
    }
}

/// A new site that nothing is said of yet.
pub(crate) fn blank(ctx: &Ctx, scope: &TenantScope) -> Site {
    let now = ctx.clock.now();
    Site {
        org: scope.org(),
        id: SiteId::new(now, ctx.random.entropy()),
        project: projects::first_of(scope.org()),
        site_key: random_key(ctx, "pk"),
        name: String::new(),
        origins: Vec::new(),
        theme: Theme::default(),
        greeting: std::collections::BTreeMap::new(),
        locale: DEFAULT_LOCALE.to_owned(),
        version: 1,
        created_at: now,
        updated_at: now,
    }
}

fn random_key(ctx: &Ctx, prefix: &str) -> String {
    let mut key = [0_u8; 16];
    ctx.random.fill(&mut key);
    format!("{prefix}_{}", hex::encode(key))
}

/// The sites of the organisation, oldest first. `cursor` is what the page before gave.
///
/// # Errors
/// 422 when the cursor is none.
pub async fn list(ctx: &Ctx, scope: &TenantScope, limit: u32, cursor: Option<&str>) -> Result<Page<Site>> {
    let after = page::after(cursor)?;
    let statement = store::sites::select_page(scope, after, limit.saturating_add(1));
    let results = ctx.db.query(vec![statement]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items = rows.iter().map(store::sites::site).collect::<Result<Vec<_>, _>>()?;
    Ok(Page::cut(items, limit, |last| last.id.to_string()))
}

/// A site of the organisation.
///
/// # Errors
/// 404.
pub async fn get(ctx: &Ctx, scope: &TenantScope, id: SiteId) -> Result<Site> {
    let results = ctx.db.query(vec![store::sites::select(scope, id)]).await?;
    let row = results.first().and_then(Rows::first).ok_or_else(|| Error::not_found("site"))?;
    Ok(store::sites::site(row)?)
}

/// The first site of the deployment: the demo page's.
///
/// # Errors
/// When the database is out of reach.
pub async fn first(ctx: &Ctx) -> Result<Option<Site>> {
    let results = ctx.db.query(vec![store::sites::select_first()]).await?;
    Ok(results.first().and_then(Rows::first).map(store::sites::site).transpose()?)
}

/// Changes a site, if it is still of the version `if_match`, where one is named. Without one a change that another one
/// overtook is made to what that left.
///
/// # Errors
/// 404, 412 with the current version, 422 naming every wrong field.
pub async fn change(
    ctx: &Ctx,
    scope: &TenantScope,
    id: SiteId,
    if_match: Option<u64>,
    change: &SiteChange,
) -> Result<Site> {
    for _ in 0..ATTEMPTS {
        let old = get(ctx, scope, id).await?;
        if if_match.is_some_and(|wanted| wanted != old.version) {
            return Err(CallerError::Stale { current: old.version }.into());
        }
        let new = old.changed(change, origin::exact).map_err(CallerError::Invalid)?;
        if new == old {
            return Ok(old);
        }
        let new = Site { version: old.version.saturating_add(1), updated_at: ctx.clock.now(), ..new };
        let detail = json!({ "version": new.version, "changes": differences(&old, &new) });
        let entry = audit::entry(ctx, scope, "site.changed", id.to_string(), detail);
        let batch = vec![store::sites::update(scope, &new), store::audit::insert_if_changed(&entry)];
        let changed = ctx.db.batch(batch).await;
        // Also after an error: it may be changed all the same.
        ctx.caches.settings.forget(scope.org());
        if changed?.first().and_then(Rows::first).is_some() {
            return Ok(new);
        }
        has_project(ctx, scope, &new).await?;
    }
    Err(CallerError::Conflict("the site is being changed by others; please try again").into())
}

/// What an audit entry says of a change.
fn differences(old: &Site, new: &Site) -> Vec<Value> {
    let fields = |site: &Site| {
        let Site { project, name, origins, theme, greeting, locale, .. } = site;
        let fields = json!({ "project": project, "name": name, "origins": origins, "theme": theme, "greeting": greeting, "locale": locale });
        fields.as_object().cloned().unwrap_or_else(Map::new)
    };
    let old = fields(old);
    let changed = fields(new).into_iter().filter(|(field, new)| old.get(field) != Some(new));
    changed
        .map(|(field, new)| json!({ "field": format!("/{field}"), "old": old.get(&field), "new": new }))
        .collect()
}

/// Removes a site, if it is of the version `if_match`, where one is named.
///
/// # Errors
/// 404, 412 with the current version.
pub async fn remove(ctx: &Ctx, scope: &TenantScope, id: SiteId, if_match: Option<u64>) -> Result<()> {
    let entry = audit::entry(ctx, scope, "site.removed", id.to_string(), json!({}));
    // A program of an earlier version does not know that sites are removed; it knows no site of this key, either.
    let instead = random_key(ctx, "removed");
    let batch = vec![
        store::sites::remove(scope, id, if_match, &instead, ctx.clock.now()),
        store::audit::insert_if_changed(&entry),
    ];
    let removed = ctx.db.batch(batch).await;
    // Also after an error: it may be removed all the same.
    ctx.caches.settings.forget(scope.org());
    if removed?.first().and_then(Rows::first).is_some() {
        return Ok(());
    }
    Err(CallerError::Stale { current: get(ctx, scope, id).await?.version }.into())
}

/// Whether pages of `origin` may call for a visitor of this site. What is known of it is as old as settings may be; a no is
/// always a new one.
///
/// # Errors
/// 404 where the site was removed.
pub(crate) async fn has_origin(ctx: &Ctx, scope: &TenantScope, id: SiteId, origin: &str) -> Result<bool> {
    settings::current(ctx, scope).await?;
    let has = |origins: &[String]| origins.iter().any(|known| known == origin);
    let known = ctx.caches.settings.get(scope.org());
    if known.is_some_and(|known| known.origins.get(&id).is_some_and(|origins| has(origins))) {
        return Ok(true);
    }
    Ok(has(&get(ctx, scope, id).await?.origins))
}

/// Whether the caller is a visitor of a site that was removed, as far as is known here: it is read with the settings, so ask
/// for those first.
#[must_use]
pub fn is_removed(ctx: &Ctx, scope: &TenantScope) -> bool {
    let Actor::Visitor { site, .. } = scope.actor() else { return false };
    ctx.caches.settings.get(scope.org()).is_some_and(|known| known.removed_sites.contains(site))
}
