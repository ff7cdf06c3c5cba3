//! Projects: what sites and connectors of an organisation belong to. Each organisation has one from the beginning.

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::{OrgId, ProjectId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, Rows, Statement};
use serde::Serialize;
use serde_json::json;

use crate::auth::person_name;
use crate::page::{self, Page};
use crate::store::projects::ProjectRow;
use crate::{audit, store};

/// The most projects of an organisation.
pub const MAX_PROJECTS: u32 = 100;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Its name.
    pub name: String,
    /// Grows with every change; `If-Match` of a change names it.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl From<ProjectRow> for Project {
    fn from(row: ProjectRow) -> Self {
        let ProjectRow { id, name, version, created_at, updated_at } = row;
        Self { id, name, version, created_at, updated_at }
    }
}

/// The project that an organisation has from the beginning: it has the organisation's own number.
#[must_use]
pub const fn first_of(org: OrgId) -> ProjectId {
    ProjectId::from_uuid(org.uuid())
}

/// The statement that makes the first one.
pub(crate) fn founding(org: OrgId, name: &str, now: Timestamp) -> Statement {
    let project =
        ProjectRow { id: first_of(org), name: name.to_owned(), version: 1, created_at: now, updated_at: now };
    store::projects::insert(org, &project, MAX_PROJECTS)
}

/// Makes a project.
///
/// # Errors
/// 422, 409 when there are too many.
pub async fn create(ctx: &Ctx, scope: &TenantScope, name: &str) -> Result<Project> {
    let name = checked(name)?;
    let now = ctx.clock.now();
    let id = ProjectId::new(now, ctx.random.entropy());
    let row = ProjectRow { id, name, version: 1, created_at: now, updated_at: now };
    let entry = audit::entry(ctx, scope, "project.created", id.to_string(), json!({ "name": row.name }));
    let batch = vec![
        store::projects::insert(scope.org(), &row, MAX_PROJECTS),
        store::audit::insert_if_changed(&entry),
    ];
    let results = ctx.db.batch(batch).await?;
    if results.first().and_then(Rows::first).is_none() {
        return Err(CallerError::Conflict("an organisation has at most 100 projects").into());
    }
    Ok(row.into())
}

/// The projects, the oldest first. `cursor` is what the page before gave.
///
/// # Errors
/// 422 when the cursor is none.
pub async fn list(ctx: &Ctx, scope: &TenantScope, limit: u32, cursor: Option<&str>) -> Result<Page<Project>> {
    let after = page::after(cursor)?;
    let statement = store::projects::select_page(scope, after, limit.saturating_add(1));
    let results = ctx.db.query(vec![statement]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let items =
        rows.iter().map(|row| Ok(store::projects::project(row)?.into())).collect::<Result<Vec<Project>>>()?;
    Ok(Page::cut(items, limit, |last| last.id.to_string()))
}

/// A project.
///
/// # Errors
/// 404.
pub async fn get(ctx: &Ctx, scope: &TenantScope, id: ProjectId) -> Result<Project> {
    let results = ctx.db.query(vec![store::projects::select(scope, id)]).await?;
    let row = results.first().and_then(Rows::first).ok_or_else(|| Error::not_found("project"))?;
    Ok(store::projects::project(row)?.into())
}

/// Gives a project another name, if it is of the version `if_match`, where one is named.
///
/// # Errors
/// 404, 412 with the current version, 422.
pub async fn rename(
    ctx: &Ctx,
    scope: &TenantScope,
    id: ProjectId,
    if_match: Option<u64>,
    name: &str,
) -> Result<Project> {
    let name = checked(name)?;
    let old = get(ctx, scope, id).await?;
    if if_match.is_some_and(|wanted| wanted != old.version) {
        return Err(CallerError::Stale { current: old.version }.into());
    }
    if old.name == name {
        return Ok(old);
    }
    let detail = json!({ "from": old.name, "to": name });
    let entry = audit::entry(ctx, scope, "project.renamed", id.to_string(), detail);
    let rename = store::projects::rename(scope, id, old.version, &name, ctx.clock.now());
    let results = ctx.db.batch(vec![rename, store::audit::insert_if_changed(&entry)]).await?;
    let new = get(ctx, scope, id).await?;
    match results.first().and_then(Rows::first) {
        Some(_) => Ok(new),
        None => Err(CallerError::Stale { current: new.version }.into()),
    }
}

/// Removes a project without sites. An organisation's first one stays.
///
/// # Errors
/// 404, 409 when it has sites or is the first one.
pub async fn remove(ctx: &Ctx, scope: &TenantScope, id: ProjectId) -> Result<()> {
    let old = get(ctx, scope, id).await?;
    let first = first_of(scope.org());
    if id == first {
        return Err(
            CallerError::Conflict("an organisation keeps its first project; give it another name").into()
        );
    }
    let entry = audit::entry(ctx, scope, "project.removed", id.to_string(), json!({ "name": old.name }));
    let remove = store::projects::remove(scope, id, first, ctx.clock.now());
    let results = ctx.db.batch(vec![remove, store::audit::insert_if_changed(&entry)]).await?;
    if results.first().and_then(Rows::first).is_none() {
        return Err(CallerError::Conflict("the project has sites; move or remove them first").into());
    }
    Ok(())
}

fn checked(name: &str) -> Result<String> {
    person_name(name).map_err(|detail| Error::invalid("/name", detail))
}
