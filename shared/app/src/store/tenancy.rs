//! `organisations`, `visitors`: whose everything is.

use frontdesk_domain::id::{OrgId, SiteId, VisitorId};
use frontdesk_domain::scope::TenantScope;
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

/// The language in which a visitor's page was shown when it came first.
pub fn locale(scope: &TenantScope, visitor: VisitorId) -> Statement {
    Statement::new("SELECT locale FROM visitors WHERE org_id = ?1 AND id = ?2")
        .bind_id(scope.org())
        .bind_id(visitor)
}
