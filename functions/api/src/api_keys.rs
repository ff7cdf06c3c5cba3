//! `/api/v1/api-keys…`: keys with which programs call this API.

use frontdesk_app::auth::keys::{self, ApiKeyRecord};
use frontdesk_app::page::Page;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::ApiKeyId;
use frontdesk_domain::scope::Role;
use frontdesk_domain::time::Timestamp;
use http::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::documents::Part;
use crate::problem::{Problem, ReadProblems, WriteProblems};

/// A new key.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// Its name: of what it does in a conversation, visitors see this.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do; not above the caller's own role.
    role: Role,
    /// Until when it counts; without it until it is deleted.
    expires_at: Option<Timestamp>,
    /// The addresses and networks (CIDR) from which it counts; without it everywhere.
    #[schema(max_items = 50)]
    addresses: Option<Vec<String>>,
}

/// A key that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MadeApiKey {
    /// The key, for `Authorization: Bearer`. Shown this once.
    #[schema(pattern = "^fdk_[0-7][0-9a-hjkmnp-tv-z]{25}[0-9A-Za-z]{49}$")]
    key: String,
    #[serde(flatten)]
    record: ApiKeyRecord,
}

/// A page of keys.
#[derive(Serialize, utoipa::ToSchema)]
pub struct ApiKeyList {
    /// The oldest first.
    items: Vec<ApiKeyRecord>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

/// Lists the keys, and never a key itself.
#[utoipa::path(
    get, path = "/api/v1/api-keys", tag = "api-keys", params(Part), security(("bearer" = [])),
    responses((status = 200, body = ApiKeyList), ReadProblems),
)]
pub async fn list(call: Call) -> Result<Response<Body>> {
    let part: Part = call.query()?;
    let page = keys::list(&call.ctx, call.scope()?, part.limit()?, part.cursor.as_deref()).await?;
    let Page { items, next_cursor } = page;
    json(StatusCode::OK, &ApiKeyList { items, next_cursor })
}

/// Makes a key: a bearer token of the organisation with this role.
#[utoipa::path(
    post, path = "/api/v1/api-keys", tag = "api-keys", security(("bearer" = [])), request_body = NewApiKey,
    responses(
        (status = 201, body = MadeApiKey),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "There are too many"),
        WriteProblems,
    )
)]
pub async fn create(mut call: Call) -> Result<Response<Body>> {
    let NewApiKey { name, role, expires_at, addresses } = call.json().await?;
    let new = keys::NewApiKey { name, role, expires_at, addresses: addresses.unwrap_or_default() };
    let (record, key) = keys::create(&call.ctx, call.scope()?, new).await?;
    json(StatusCode::CREATED, &MadeApiKey { key: key.expose_secret().to_owned(), record })
}

/// Deletes a key. It counts no more within 5 s, also for what is open.
#[utoipa::path(
    delete, path = "/api/v1/api-keys/{id}", tag = "api-keys", security(("bearer" = [])),
    params(("id" = ApiKeyId, Path)),
    responses((status = 204), ReadProblems),
)]
pub async fn remove(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "key")?;
    keys::delete(&call.ctx, call.scope()?, id).await?;
    Ok(no_content())
}
