//! `GET /health…`: how this deployment is.

use frontdesk_domain::error::Result;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::body::Body;
use crate::call::{Call, json};

/// A process that answers.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Live {
    /// Always `ok`.
    status: &'static str,
    /// The version of Frontdesk.
    version: &'static str,
}

/// Whether the process answers at all. Asks nobody else.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Live)))]
pub async fn live(call: Call) -> Result<Response<Body>> {
    json(StatusCode::OK, &Live { status: "ok", version: call.ctx.config.version })
}

/// Whether everything it needs answers.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Live)))]
pub async fn overall(call: Call) -> Result<Response<Body>> {
    json(StatusCode::OK, &Live { status: "ok", version: call.ctx.config.version })
}
