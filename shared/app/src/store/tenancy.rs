//! `organisations`, `visitors`: whose everything is.

use frontdesk_domain::id::{OrgId, SiteId, VisitorId};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;

/// A new organisation.
pub fn insert_organisation(org: OrgId, name: &str, now: Timestamp) -> Statement {
    Statement::new("INSERT INTO organisations (id, name, created_at) VALUES (?1, ?2, ?3)")
        .bind_id(org)
        .bind(name)
        .bind(now)
}

/// A new visitor.
pub fn insert_visitor(
    org: OrgId,
    site: SiteId,
    visitor: VisitorId,
    locale: &str,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO visitors (org_id, id, site_id, locale, created_at, last_seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
    )
    .bind_id(org)
    .bind_id(visitor)
    .bind_id(site)
    .bind(locale)
    .bind(now)
}
