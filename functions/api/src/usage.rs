//! `GET /api/v1/usage`: turns and tokens by day.

use frontdesk_app::usage::{self, Day};
use frontdesk_domain::error::{Error, Result};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::call::{Call, json};
use crate::problem::Problem;

/// The most days in one answer.
const MAX_DAYS: u32 = 100;

/// Which days.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// How many days at most; 30 when it is not said.
    #[param(minimum = 1, maximum = 100, default = 30)]
    limit: Option<u32>,
    /// Where the answer before this one ended.
    #[param(pattern = r"^\d{4}-\d{2}-\d{2}$")]
    cursor: Option<String>,
}

/// Days, the latest first.
#[derive(Serialize, utoipa::ToSchema)]
pub struct UsageDays {
    /// Days on which something was used.
    items: Vec<Day>,
    /// For the next call; `null` at the end.
    next_cursor: Option<String>,
}

/// Turns and tokens by day.
#[utoipa::path(
    get, path = "/api/v1/usage", tag = "settings", security(("bearer" = [])), params(UsageQuery),
    responses(
        (status = 200, body = UsageDays),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 500, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn list(call: Call) -> Result<Response<Body>> {
    let query: UsageQuery = call.query()?;
    let limit = query.limit.unwrap_or(30);
    if !(1..=MAX_DAYS).contains(&limit) {
        return Err(Error::invalid("?limit", format!("must be a whole number from 1 to {MAX_DAYS}")));
    }
    let is_day = |text: &str| {
        text.len() == 10
            && text
                .bytes()
                .enumerate()
                .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
    };
    if query.cursor.as_deref().is_some_and(|cursor| !is_day(cursor)) {
        return Err(Error::invalid("?cursor", "must be a day like 2026-01-31"));
    }
    let items = usage::by_day(&call.ctx, call.scope()?, query.cursor.as_deref(), limit).await?;
    let full = u32::try_from(items.len()).is_ok_and(|count| count == limit);
    let next_cursor = if full { items.last().map(|day| day.day.clone()) } else { None };
    json(StatusCode::OK, &UsageDays { items, next_cursor })
}
