//! `/api/v1/sites…`: the pages on which the widget is shown.

use std::collections::BTreeMap;

use frontdesk_app::page::Page;
use frontdesk_app::sites;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::{ProjectId, SiteId};
use frontdesk_domain::site::{Site, SiteChange, Theme, ThemeChange};
use frontdesk_domain::time::Timestamp;
use http::uri::Authority;
use http::{HeaderValue, Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::documents::Part;
use crate::problem::{Problem, ReadProblems, WriteProblems};

/// A new site.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSite {
    /// The project that it belongs to; without it the organisation's first one.
    project: Option<ProjectId>,
    /// Its name, as visitors see it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// The origins on which the widget may be embedded, each exact: scheme, host and, unless it is the usual one, port. The
    /// deployment's own is always one.
    #[schema(max_items = 50)]
    origins: Vec<String>,
    /// How the widget looks.
    theme: Option<ThemeChange>,
    /// The first words, by language (`ru`, `en`).
    greeting: Option<BTreeMap<String, Option<String>>>,
    /// The language when a visitor's is not known; without it `en`.
    #[schema(pattern = "^[a-z]{2,3}$")]
    locale: Option<String>,
}

impl From<NewSite> for SiteChange {
    fn from(new: NewSite) -> Self {
        let NewSite { project, name, origins, theme, greeting, locale } = new;
        Self { project, name: Some(name), origins: Some(origins), theme, greeting, locale }
    }
}

/// A site, as administrators see it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SiteRecord {
    /// Its id.
    id: SiteId,
    /// The project that it belongs to.
    project: ProjectId,
    /// Its public key.
    site_key: String,
    /// What a page has to hold to show the widget.
    snippet: String,
    /// Its name, as visitors see it.
    name: String,
    /// The origins on which the widget may be embedded, as browsers write them.
    origins: Vec<String>,
    /// How the widget looks.
    theme: Theme,
    /// The first words, by language.
    greeting: BTreeMap<String, String>,
    /// The language when a visitor's is not known.
    locale: String,
    /// Grows with every change; `If-Match` of a change names it.
    version: u64,
    /// When it was made.
    created_at: Timestamp,
    /// When it changed last.
    updated_at: Timestamp,
}

/// A page of sites.
#[derive(Serialize, utoipa::ToSchema)]
pub struct SiteList {
    /// Oldest first.
    items: Vec<SiteRecord>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

impl SiteRecord {
    fn of(site: Site, base: &str) -> Self {
        let snippet = site.snippet(base);
        let Site {
            org: _,
            id,
            project,
            site_key,
            name,
            origins,
            theme,
            greeting,
            locale,
            version,
            created_at,
            updated_at,
        } = site;
        Self {
            id,
            project,
            site_key,
            snippet,
            name,
            origins,
            theme,
            greeting,
            locale,
            version,
            created_at,
            updated_at,
        }
    }
}

/// Where pages reach this deployment. Where that is not certain, as the client reached it: it is told nothing but what it
/// said itself.
fn base(call: &Call) -> String {
    call.own_origin.clone().unwrap_or_else(|| {
        let host = call.header(header::HOST).and_then(|host| host.parse::<Authority>().ok());
        host.map_or_else(|| "https://your-frontdesk".to_owned(), |host| format!("https://{host}"))
    })
}

fn record(call: &Call, status: StatusCode, site: Site) -> Result<Response<Body>> {
    let tag = HeaderValue::from_str(&format!("\"{}\"", site.version));
    let mut response = json(status, &SiteRecord::of(site, &base(call)))?;
    response.headers_mut().insert(header::ETAG, tag.map_err(|error| Error::ours(error.to_string()))?);
    Ok(response)
}

/// The version of `If-Match`, where there is one.
pub fn if_match(call: &Call) -> Result<Option<u64>> {
    call.headers.contains_key(header::IF_MATCH).then(|| call.if_match()).transpose()
}

/// Makes a site; its snippet goes into its pages.
#[utoipa::path(
    post, path = "/api/v1/sites", tag = "sites", security(("bearer" = [])), request_body = NewSite,
    responses(
        (status = 201, body = SiteRecord, headers(("ETag" = String, description = "The version, for If-Match"))),
        (status = 409, description = "There are too many", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    ),
)]
pub async fn create(mut call: Call) -> Result<Response<Body>> {
    let new: NewSite = call.json().await?;
    let site = sites::create(&call.ctx, call.scope()?, &new.into()).await?;
    record(&call, StatusCode::CREATED, site)
}

/// Lists sites, oldest first.
#[utoipa::path(
    get, path = "/api/v1/sites", tag = "sites", params(Part), security(("bearer" = [])),
    responses((status = 200, body = SiteList), ReadProblems),
)]
pub async fn list(call: Call) -> Result<Response<Body>> {
    let part: Part = call.query()?;
    let page = sites::list(&call.ctx, call.scope()?, part.limit()?, part.cursor.as_deref()).await?;
    let Page { items, next_cursor } = page;
    let base = base(&call);
    let items = items.into_iter().map(|site| SiteRecord::of(site, &base)).collect();
    json(StatusCode::OK, &SiteList { items, next_cursor })
}

/// Shows a site.
#[utoipa::path(
    get, path = "/api/v1/sites/{id}", tag = "sites", params(("id" = SiteId, Path)), security(("bearer" = [])),
    responses(
        (status = 200, body = SiteRecord, headers(("ETag" = String, description = "The version, for If-Match"))),
        ReadProblems,
    ),
)]
pub async fn get(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "site")?;
    let site = sites::get(&call.ctx, call.scope()?, id).await?;
    record(&call, StatusCode::OK, site)
}

/// Changes a site. What is absent or null stays as it is; a greeting changes language by language.
#[utoipa::path(
    patch, path = "/api/v1/sites/{id}", tag = "sites", security(("bearer" = [])), request_body = SiteChange,
    params(
        ("id" = SiteId, Path),
        ("If-Match" = Option<String>, Header, description = "The version that the change starts from, like \"7\"; without it from whichever is there"),
    ),
    responses(
        (status = 200, body = SiteRecord, headers(("ETag" = String, description = "The new version"))),
        (status = 409, description = "Others change it without end", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
        WriteProblems,
    ),
)]
pub async fn change(mut call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "site")?;
    let version = if_match(&call)?;
    let change: SiteChange = call.json().await?;
    let site = sites::change(&call.ctx, call.scope()?, id, version, &change).await?;
    record(&call, StatusCode::OK, site)
}

/// Removes a site: its key begins no session any more, and its visitors' tokens end. What was said there stays.
#[utoipa::path(
    delete, path = "/api/v1/sites/{id}", tag = "sites", security(("bearer" = [])),
    params(
        ("id" = SiteId, Path),
        ("If-Match" = Option<String>, Header, description = "The version that is to be removed; without it whichever is there"),
    ),
    responses(
        (status = 204),
        (status = 412, description = "It changed meanwhile", body = Problem, content_type = "application/problem+json"),
        ReadProblems,
    ),
)]
pub async fn remove(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "site")?;
    sites::remove(&call.ctx, call.scope()?, id, if_match(&call)?).await?;
    Ok(no_content())
}
