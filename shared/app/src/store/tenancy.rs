//! `organisations`, `sites`, `visitors`: whose everything is.

use std::collections::BTreeMap;

use frontdesk_domain::id::{OrgId, SiteId, VisitorId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::site::{Site, Theme};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A new organisation.
pub fn insert_organisation(org: OrgId, name: &str, now: Timestamp) -> Statement {
    Statement::new("INSERT INTO organisations (id, name, created_at) VALUES (?1, ?2, ?3)")
        .bind_id(org)
        .bind(name)
        .bind(now)
}

/// A new site.
pub fn insert_site(site: &Site, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO sites (org_id, id, site_key, name, origins, theme, greeting, locale, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind_id(site.org)
    .bind_id(site.id)
    .bind(&site.site_key)
    .bind(&site.name)
    .bind(json(&site.origins))
    .bind(json(&site.theme))
    .bind(json(&site.greeting))
    .bind(&site.locale)
    .bind(now)
}

/// The site with this public key: how an organisation is found before a caller is authenticated.
pub fn select_site_by_key(site_key: &str) -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale FROM sites WHERE site_key = ?1",
    )
    .bind(site_key)
}

/// A site of the organisation.
pub fn select_site(scope: &TenantScope, id: SiteId) -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale FROM sites WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
}

/// The deployment's first site.
pub fn select_first_site() -> Statement {
    Statement::new(
        "SELECT org_id, id, site_key, name, origins, theme, greeting, locale FROM sites ORDER BY created_at, id LIMIT 1",
    )
}

/// A row of a select of sites.
///
/// # Errors
/// When the row is of another shape.
pub fn site(row: &Row) -> Result<Site, DbError> {
    Ok(Site {
        org: row.parse(0)?,
        id: row.parse(1)?,
        site_key: row.text(2)?.to_owned(),
        name: row.text(3)?.to_owned(),
        origins: row.json(4)?,
        theme: Theme::from_stored(&row.json(5)?),
        greeting: row.json::<BTreeMap<String, String>>(6)?,
        locale: row.text(7)?.to_owned(),
    })
}

/// A visitor that came, or came again.
pub fn upsert_visitor(
    org: OrgId,
    site: SiteId,
    visitor: VisitorId,
    locale: &str,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO visitors (org_id, id, site_id, locale, created_at, last_seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
         ON CONFLICT (org_id, id) DO UPDATE SET locale = excluded.locale, last_seen_at = excluded.last_seen_at",
    )
    .bind_id(org)
    .bind_id(visitor)
    .bind_id(site)
    .bind(locale)
    .bind(now)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
