//! `POST /api/v1/rooms/call`: this deployment's rooms, for another one on the same database that has none of its own.

use frontdesk_app::rooms::{self, RoomAnswer};
use frontdesk_domain::error::{CallerError, Result};
use futures_util::StreamExt;
use http::{HeaderValue, Response, header};

use crate::body::Body;
use crate::call::{Call, MAX_JSON_BYTES};
use crate::machine;
use crate::problem::Problem;

/// A call to a room, for `Authorization: Bearer <ROOMS_TOKEN>`. Without that variable no caller is let in. What a call and
/// its answer look like is a matter between deployments of the same version; the answer is one line of JSON, after a
/// subscription followed by frames, a line each.
#[utoipa::path(
    post, path = "/api/v1/rooms/call", tag = "machines", security(("bearer" = [])),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, body = String, content_type = "application/x-ndjson"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn call(call: Call) -> Result<Response<Body>> {
    const WHO: &str = "the token is ROOMS_TOKEN";
    let expected = call.ctx.config.rooms_token.clone().ok_or(CallerError::Unauthenticated(WHO))?;
    machine::shows(&call, &expected, WHO)?;
    let ctx = call.ctx.clone();
    let body = call.body.collect(MAX_JSON_BYTES).await?;
    let limit = u64::try_from(MAX_JSON_BYTES).unwrap_or(u64::MAX);
    let body = body.ok_or(CallerError::TooLarge { field: "body", limit })?;
    let body = match rooms::answer(ctx.rooms.as_ref(), ctx.clock.clone(), &body).await {
        RoomAnswer::Whole(line) => Body::full(line),
        RoomAnswer::Open(lines) => Body::Stream(lines.map(Ok).boxed_local()),
    };
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
