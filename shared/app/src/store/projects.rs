//! `projects`: what sites and connectors belong to. The first one of an organisation has its number.

use frontdesk_domain::id::{OrgId, ProjectId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// A project as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRow {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// Grows with every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A new one, unless the organisation has `most`; gives a row only then.
pub fn insert(org: OrgId, project: &ProjectRow, most: u32) -> Statement {
    Statement::new(
        "INSERT INTO projects (org_id, id, name, version, created_at, updated_at)
         SELECT ?1, ?2, ?3, ?4, ?5, ?5
         WHERE (SELECT count(*) FROM projects WHERE org_id = ?1 AND deleted_at IS NULL) < ?6 RETURNING id",
    )
    .bind_id(org)
    .bind_id(project.id)
    .bind(&project.name)
    .bind(project.version)
    .bind(project.created_at)
    .bind(most)
}

/// Makes the first projects of organisations that an earlier version made, after a release was rolled back and is here again.
pub fn of_earlier_versions() -> Statement {
    Statement::new(
        "INSERT INTO projects (org_id, id, name, version, created_at, updated_at)
         SELECT id, 'proj_' || substr(id, 5), name, 1, created_at, created_at FROM organisations
         WHERE NOT EXISTS (SELECT 1 FROM projects p WHERE p.org_id = organisations.id)",
    )
}

/// The projects, the oldest first, after `after`.
pub fn select_page(scope: &TenantScope, after: Option<ProjectId>, limit: u32) -> Statement {
    Statement::new(
        "SELECT id, name, version, created_at, updated_at FROM projects
         WHERE org_id = ?1 AND id > ?2 AND deleted_at IS NULL ORDER BY id LIMIT ?3",
    )
    .bind_id(scope.org())
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
}

/// One project.
pub fn select(scope: &TenantScope, id: ProjectId) -> Statement {
    Statement::new(
        "SELECT id, name, version, created_at, updated_at FROM projects
         WHERE org_id = ?1 AND id = ?2 AND deleted_at IS NULL",
    )
    .bind_id(scope.org())
    .bind_id(id)
}

/// Gives a project another name, if it is of this version still; gives a row only then.
pub fn rename(scope: &TenantScope, id: ProjectId, version: u64, name: &str, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE projects SET name = ?4, version = version + 1, updated_at = ?5
         WHERE org_id = ?1 AND id = ?2 AND version = ?3 AND deleted_at IS NULL RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(version)
    .bind(name)
    .bind(now)
}

/// Removes a project without sites that is not the organisation's first one; gives a row only then.
pub fn remove(scope: &TenantScope, id: ProjectId, first: ProjectId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE projects SET deleted_at = ?4, version = version + 1
         WHERE org_id = ?1 AND id = ?2 AND id <> ?3 AND deleted_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM sites WHERE org_id = ?1 AND project_id = ?2 AND deleted_at IS NULL)
         RETURNING id",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(first)
    .bind(now)
}

/// A row of the selects above.
pub fn project(row: &Row) -> Result<ProjectRow, DbError> {
    Ok(ProjectRow {
        id: row.parse(0)?,
        name: row.text(1)?.to_owned(),
        version: row.count(2)?,
        created_at: row.time(3)?,
        updated_at: row.time(4)?,
    })
}
