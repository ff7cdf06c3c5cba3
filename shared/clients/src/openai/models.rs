//! The list of an endpoint's models: the one question to a provider that costs nothing.

use std::time::Duration;

use frontdesk_ports::{Ctx, Egress, FetchError, FetchLimits, ModelEndpoint};
use http::StatusCode;
use serde_json::Value;

use super::request;
use crate::body;

/// What an endpoint says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// Its models, by name; empty where they are written in another way.
    Models(Vec<String>),
    /// A refusal.
    Status(StatusCode),
    /// Nothing.
    Silent(FetchError),
    /// The base URL or the key cannot be used.
    Unusable,
}

/// Asks for the list, within `deadline`.
pub async fn list(ctx: &Ctx, endpoint: &ModelEndpoint, deadline: Duration) -> Listed {
    let Ok(request) = request::models(endpoint) else { return Listed::Unusable };
    let limits = FetchLimits {
        connect: deadline,
        head: deadline,
        gap: deadline,
        total: deadline,
        max_bytes: 4 * 1024 * 1024,
        egress: Egress::Configured,
    };
    let response = match ctx.http.send(request, limits).await {
        Ok(response) => response,
        Err(error) => return Listed::Silent(error),
    };
    if !response.status().is_success() {
        return Listed::Status(response.status());
    }
    // Endpoints answer this with pages, too; it says that there is one.
    let list = body::whole(response.into_body()).await.unwrap_or_default();
    let list: Value = serde_json::from_slice(&list).unwrap_or_default();
    let names = list.get("data").and_then(Value::as_array).into_iter().flatten();
    Listed::Models(
        names.filter_map(|model| model.get("id")?.as_str()).take(10_000).map(str::to_owned).collect(),
    )
}
