//! `/api/v1/projects…`: what sites and connectors belong to.

use frontdesk_app::page::Page;
use frontdesk_app::projects::{self, Project};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::ProjectId;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::documents::Part;
use crate::problem::{Problem, ReadProblems, WriteProblems};
use crate::sites::if_match;

/// What is said of a project.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectName {
    /// Its name.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// A page of projects.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ProjectList {
    /// The oldest first: the organisation's first one is always there.
    items: Vec<Project>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

fn record(status: StatusCode, project: &Project) -> Result<Response<Body>> {
    let tag = HeaderValue::from_str(&format!("\"{}\"", project.version));
    let mut response = json(status, project)?;
    response.headers_mut().insert(header::ETAG, tag.map_err(|error| Error::ours(error.to_string()))?);
    Ok(response)
}

/// Makes a project.
#[utoipa::path(
    post, path = "/api/v1/projects", tag = "projects", security(("bearer" = [])), request_body = ProjectName,
    responses(
        (status = 201, body = Project, headers(("ETag" = String, description = "The version, for If-Match"))),
        (status = 409, description = "There are too many", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    ),
)]
pub async fn create(mut call: Call) -> Result<Response<Body>> {
    let ProjectName { name } = call.json().await?;
    let project = projects::create(&call.ctx, call.scope()?, &name).await?;
    record(StatusCode::CREATED, &project)
}

/// Lists projects, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/projects", tag = "projects", params(Part), security(("bearer" = [])),
    responses((status = 200, body = ProjectList), ReadProblems),
)]
pub async fn list(call: Call) -> Result<Response<Body>> {
    let part: Part = call.query()?;
    let page = projects::list(&call.ctx, call.scope()?, part.limit()?, part.cursor.as_deref()).await?;
    let Page { items, next_cursor } = page;
    json(StatusCode::OK, &ProjectList { items, next_cursor })
}

/// Shows a project.
#[utoipa::path(
    get, path = "/api/v1/projects/{id}", tag = "projects", params(("id" = ProjectId, Path)), security(("bearer" = [])),
    responses(
        (status = 200, body = Project, headers(("ETag" = String, description = "The version, for If-Match"))),
        ReadProblems,
    ),
)]
pub async fn get(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "project")?;
    record(StatusCode::OK, &projects::get(&call.ctx, call.scope()?, id).await?)
}

/// Gives a project another name.
#[utoipa::path(
    patch, path = "/api/v1/projects/{id}", tag = "projects", security(("bearer" = [])), request_body = ProjectName,
    params(
        ("id" = ProjectId, Path),
        ("If-Match" = Option<String>, Header, description = "The version that the change starts from, like \"7\"; without it from whichever is there"),
    ),
    responses(
        (status = 200, body = Project, headers(("ETag" = String, description = "The new version"))),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    ),
)]
pub async fn change(mut call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "project")?;
    let version = if_match(&call)?;
    let ProjectName { name } = call.json().await?;
    record(StatusCode::OK, &projects::rename(&call.ctx, call.scope()?, id, version, &name).await?)
}

/// Removes a project without sites. The organisation's first one stays.
#[utoipa::path(
    delete, path = "/api/v1/projects/{id}", tag = "projects", security(("bearer" = [])),
    params(("id" = ProjectId, Path)),
    responses(
        (status = 204),
        (status = 409, description = "It has sites, or is the first one", body = Problem, content_type = "application/problem+json"),
        ReadProblems,
    ),
)]
pub async fn remove(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "project")?;
    projects::remove(&call.ctx, call.scope()?, id).await?;
    Ok(no_content())
}
