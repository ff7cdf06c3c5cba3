//! `sites`: where the widget is shown. Those that were removed are found by no statement here but [`select_removed`].

use std::collections::BTreeMap;

use frontdesk_domain::id::SiteId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::site::{Site, Theme};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Rows, Statement};

use crate::projects;

/// A new site, unless its organisation has `most` already or not its project; gives a row only then.
pub fn insert(site: &Site, most: u32) -> Statement {
    Statement::new(
        "INSERT INTO sites (org_id, id, site_key, name, origins, theme, greeting, locale, version, created_at, updated_at,
                            project_id)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?13
         WHERE (SELECT count(*) FROM sites WHERE org_id = ?1 AND deleted_at IS NULL) < ?12
           AND EXISTS (SELECT 1 FROM projects WHERE org_id = ?1 AND id = ?13 AND deleted_at IS NULL)
         RETURNING id",
    )
    .bind_id(site.org)
    .bind_id(site.id)
    .bind(&site.site_key)
    .bind(&site.name)
    .bind(json(&site.origins))
    .bind(json(&site.theme))
    .bind(json(&site.greeting))
    .bind(&site.locale)
    .bind(site.version)
    .bind(site.created_at)
    .bind(site.updated_at)
    .bind(most)
    .bind_id(site.project)
}

/// The site with this public key: how an organisation is found before a caller is authenticated.
pub fn select_by_key(site_key: &str) -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale, version, created_at, updated_at,
                project_id
         FROM sites WHERE site_key = ?1 AND deleted_at IS NULL",
    )
    .bind(site_key)
}

/// A site of the organisation.
pub fn select(scope: &TenantScope, id: SiteId) -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale, version, created_at, updated_at,
                project_id
         FROM sites WHERE org_id = ?1 AND id = ?2 AND deleted_at IS NULL",
    )
    .bind_id(scope.org())
    .bind_id(id)
}

/// Sites of the organisation, oldest first, after `after`.
pub fn select_page(scope: &TenantScope, after: Option<SiteId>, limit: u32) -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale, version, created_at, updated_at,
                project_id
         FROM sites WHERE org_id = ?1 AND id > ?2 AND deleted_at IS NULL ORDER BY id LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
}

/// The deployment's first site.
pub fn select_first() -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale, version, created_at, updated_at,
                project_id
         FROM sites WHERE deleted_at IS NULL ORDER BY created_at, id LIMIT 1",
    )
}

/// Writes a site as it is now, if it is still of the version before; gives a row only then.
pub fn update(scope: &TenantScope, site: &Site) -> Statement {
    Statement::new(
        "UPDATE sites SET name = ?3, origins = ?4, theme = ?5, greeting = ?6, locale = ?7, version = ?8, updated_at = ?9,
             project_id = ?10
         WHERE org_id = ?1 AND id = ?2 AND version = ?8 - 1 AND deleted_at IS NULL
           AND EXISTS (SELECT 1 FROM projects WHERE org_id = ?1 AND id = ?10 AND deleted_at IS NULL)
         RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(site.id)
    .bind(&site.name)
    .bind(json(&site.origins))
    .bind(json(&site.theme))
    .bind(json(&site.greeting))
    .bind(&site.locale)
    .bind(site.version)
    .bind(site.updated_at)
    .bind_id(site.project)
}

/// Removes a site, if it is of this version, where one is named; gives a row only then. Its key becomes `instead`.
pub fn remove(
    scope: &TenantScope,
    id: SiteId,
    version: Option<u64>,
    instead: &str,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE sites SET site_key = ?4, origins = '[]', version = version + 1, updated_at = ?5, deleted_at = ?5
         WHERE org_id = ?1 AND id = ?2 AND (?3 IS NULL OR version = ?3) AND deleted_at IS NULL
         RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(version)
    .bind(instead)
    .bind(now)
}

/// The last sites of the organisation, at most 1000, that were removed after `since`.
pub fn select_removed(scope: &TenantScope, since: Timestamp) -> Statement {
    Statement::new(
        "SELECT id FROM sites WHERE org_id = ?1 AND deleted_at > ?2 ORDER BY deleted_at DESC LIMIT 1000",
    )
    .bind_id(scope.org())
    .bind(since)
}

/// The origins of the organisation's first `most` sites.
pub fn select_origins(scope: &TenantScope, most: u32) -> Statement {
    Statement::new(
        "SELECT id, origins FROM sites WHERE org_id = ?1 AND deleted_at IS NULL ORDER BY id LIMIT ?2",
    )
    .bind_id(scope.org())
    .bind(most)
}

/// What [`select_origins`] gave.
///
/// # Errors
/// When a row is of another shape.
pub fn origins(rows: &Rows) -> Result<BTreeMap<SiteId, Vec<String>>, DbError> {
    rows.rows.iter().map(|row| Ok((row.parse(0)?, row.json(1)?))).collect()
}

/// What [`select_removed`] gave.
///
/// # Errors
/// When a row is of another shape.
pub fn removed<C: FromIterator<SiteId>>(rows: &Rows) -> Result<C, DbError> {
    rows.rows.iter().map(|row| row.parse(0)).collect()
}

/// A row of a select of sites.
///
/// # Errors
/// When the row is of another shape.
pub fn site(row: &Row) -> Result<Site, DbError> {
    let created_at = row.time(9)?;
    let org = row.parse(0)?;
    Ok(Site {
        org,
        id: row.parse(1)?,
        project: if row.opt_text(11)?.is_some() { row.parse(11)? } else { projects::first_of(org) },
        site_key: row.text(2)?.to_owned(),
        name: row.text(3)?.to_owned(),
        origins: row.json(4)?,
        theme: Theme::from_stored(&row.json(5)?),
        greeting: row.json::<BTreeMap<String, String>>(6)?,
        locale: row.text(7)?.to_owned(),
        version: row.count(8)?,
        created_at,
        // Those from before it was noted.
        updated_at: row.opt_int(10)?.map_or(created_at, Timestamp::from_millis),
    })
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
