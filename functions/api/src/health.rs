//! `GET /health…`: how this deployment is.

use frontdesk_app::health::{self, Health, Service, Services};
use frontdesk_domain::error::Result;
use http::{Response, StatusCode};
use serde::Serialize;

use crate::body::Body;
use crate::call::{Call, json};

/// A process that answers.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Alive {
    /// Always `ok`.
    status: &'static str,
    /// The version of Frontdesk.
    version: &'static str,
}

/// Whether the process answers at all. Asks no other service.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Alive)))]
pub async fn live(call: Call) -> Result<Response<Body>> {
    json(StatusCode::OK, &Alive { status: "ok", version: call.ctx.config.version })
}

/// Whether it can serve visitors: `down` without the database, `degraded` when something else is missing.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Services), (status = 503, body = Services)))]
pub async fn overall(call: Call) -> Result<Response<Body>> {
    services(call).await
}

/// Whether the database answers.
#[utoipa::path(get, path = "/health/db", tag = "health", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn database(call: Call) -> Result<Response<Body>> {
    one(&call, Service::Database).await
}

/// Whether vector search answers.
#[utoipa::path(get, path = "/health/vector", tag = "health", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn vector(call: Call) -> Result<Response<Body>> {
    one(&call, Service::Vector).await
}

/// Whether the model's endpoint answers. Costs no tokens.
#[utoipa::path(get, path = "/health/ai", tag = "health", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub async fn ai(call: Call) -> Result<Response<Body>> {
    one(&call, Service::Ai).await
}

/// Everything at once.
#[utoipa::path(get, path = "/health/services", tag = "health", responses((status = 200, body = Services), (status = 503, body = Services)))]
pub async fn services(call: Call) -> Result<Response<Body>> {
    let all = health::all(&call.ctx).await;
    json(status(all.status), &all)
}

async fn one(call: &Call, service: Service) -> Result<Response<Body>> {
    let health = health::probe(&call.ctx, service).await;
    json(status(health.status), &health)
}

const fn status(status: health::HealthStatus) -> StatusCode {
    match status {
        health::HealthStatus::Down => StatusCode::SERVICE_UNAVAILABLE,
        health::HealthStatus::Ok | health::HealthStatus::Degraded | health::HealthStatus::Off => {
            StatusCode::OK
        }
    }
}
