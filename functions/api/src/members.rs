//! `/api/v1/members…`: who belongs to an organisation, and who is invited.

use frontdesk_app::auth::invites::{self, Invite};
use frontdesk_app::auth::members::{self, Member, MemberChange};
use frontdesk_app::page::Page;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::{InviteId, UserId};
use frontdesk_domain::scope::Role;
use frontdesk_domain::time::Timestamp;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json, no_content};
use crate::documents::Part;
use crate::problem::{Problem, ReadProblems, WriteProblems};

/// A page of members.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MemberList {
    /// The oldest account first.
    items: Vec<Member>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

/// What changes of a member. What is absent or null stays.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// What it may do; not above the caller's own role.
    role: Option<Role>,
    /// Whether it may not come in.
    disabled: Option<bool>,
}

/// Who is invited.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvite {
    /// The e-mail address.
    #[schema(max_length = 254)]
    email: String,
    /// What the member is to be; not above the caller's own role.
    role: Role,
}

/// An invitation that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub struct MadeInvite {
    /// Its id.
    id: InviteId,
    /// Who is invited.
    email: String,
    /// What the member is to be.
    role: Role,
    /// When it was made.
    created_at: Timestamp,
    /// Until when it can be accepted: 7 days.
    expires_at: Timestamp,
    /// The link for who is invited; without scheme and host where the deployment's address is not certain (`PUBLIC_URL`). What
    /// opens it stands after `#`, which browsers send to no server. Shown this once.
    accept_url: String,
}

/// A page of open invitations.
#[derive(Serialize, utoipa::ToSchema)]
pub struct InviteList {
    /// The oldest first.
    items: Vec<Invite>,
    /// For `?cursor=` of the next page; null after the last one.
    next_cursor: Option<String>,
}

/// Lists the members.
#[utoipa::path(
    get, path = "/api/v1/members", tag = "members", params(Part), security(("bearer" = [])),
    responses((status = 200, body = MemberList), ReadProblems),
)]
pub async fn list(call: Call) -> Result<Response<Body>> {
    let part: Part = call.query()?;
    let page = members::list(&call.ctx, call.scope()?, part.limit()?, part.cursor.as_deref()).await?;
    let Page { items, next_cursor } = page;
    json(StatusCode::OK, &MemberList { items, next_cursor })
}

/// Changes a member: what it may do, or whether it may come in. It counts within 5 s, also for what is open. The last owner
/// stays.
#[utoipa::path(
    patch, path = "/api/v1/members/{id}", tag = "members", security(("bearer" = [])), request_body = MemberPatch,
    params(("id" = UserId, Path)),
    responses(
        (status = 200, body = Member),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is the last owner, or was changed meanwhile"),
        WriteProblems,
    )
)]
pub async fn change(mut call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "member")?;
    let MemberPatch { role, disabled } = call.json().await?;
    let change = MemberChange { role, disabled };
    let member = members::change(&call.ctx, call.scope()?, id, change).await?;
    json(StatusCode::OK, &member)
}

/// Takes a member out of the organisation. Its account, its other organisations and what it wrote here stay. The last owner
/// stays.
#[utoipa::path(
    delete, path = "/api/v1/members/{id}", tag = "members", security(("bearer" = [])),
    params(("id" = UserId, Path)),
    responses(
        (status = 204),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is the last owner, or was changed meanwhile"),
        ReadProblems,
    )
)]
pub async fn remove(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "member")?;
    members::remove(&call.ctx, call.scope()?, id).await?;
    Ok(no_content())
}

/// Invites a person. An earlier invitation of the address counts no more.
#[utoipa::path(
    post, path = "/api/v1/members/invites", tag = "members", security(("bearer" = [])), request_body = NewInvite,
    responses(
        (status = 201, body = MadeInvite),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It is a member already, or too many are open"),
        WriteProblems,
    )
)]
pub async fn invite(mut call: Call) -> Result<Response<Body>> {
    let NewInvite { email, role } = call.json().await?;
    let (invite, token) = invites::create(&call.ctx, call.scope()?, &email, role).await?;
    let Invite { id, email, role, created_at, expires_at } = invite;
    // A host that is not certain may be a stranger's word: the link then leads to where the page is that shows it.
    let accept_url = format!("{}/console/invite#{token}", call.own_origin.as_deref().unwrap_or_default());
    json(StatusCode::CREATED, &MadeInvite { id, email, role, created_at, expires_at, accept_url })
}

/// Lists open invitations, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/members/invites", tag = "members", params(Part), security(("bearer" = [])),
    responses((status = 200, body = InviteList), ReadProblems),
)]
pub async fn invites(call: Call) -> Result<Response<Body>> {
    let part: Part = call.query()?;
    let page = invites::list(&call.ctx, call.scope()?, part.limit()?, part.cursor.as_deref()).await?;
    let Page { items, next_cursor } = page;
    json(StatusCode::OK, &InviteList { items, next_cursor })
}

/// Takes an open invitation back.
#[utoipa::path(
    delete, path = "/api/v1/members/invites/{id}", tag = "members", security(("bearer" = [])),
    params(("id" = InviteId, Path)),
    responses((status = 204), ReadProblems),
)]
pub async fn revoke(call: Call) -> Result<Response<Body>> {
    let id = call.id("id", "invitation")?;
    invites::revoke(&call.ctx, call.scope()?, id).await?;
    Ok(no_content())
}
