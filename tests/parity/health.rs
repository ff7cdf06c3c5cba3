//! How a deployment is.

use anyhow::{Result, ensure};
use frontdesk_tests::client::http;
use reqwest::Method;
use serde_json::Value;

use crate::case::{Case, host};

#[tokio::test]
async fn a_deployment_that_is_well_says_so() -> Result<()> {
    let mut case = Case::begin().await?;
    for path in ["/health/live", "/health/db"] {
        case.title(path);
        case.send(case.public(Method::GET, path), 200).await?;
    }
    case.title("Metrics are for who has their token");
    case.send(case.public(Method::GET, "/metrics"), 401).await?;
    case.end("health")
}

/// What they say of the model depends on how the calls of other cases went; what they look like does not.
#[tokio::test]
async fn every_service_is_told_in_the_same_shape() -> Result<()> {
    let host = host()?;
    for (path, services) in [
        ("/health/vector", &[][..]),
        ("/health/ai", &[]),
        ("/health/services", &["database", "vector", "ai", "queue", "tasks"]),
        ("/health", &["database", "vector", "ai", "queue", "tasks"]),
    ] {
        let response = http()?.get(format!("{}{path}", host.base_url)).send().await?;
        let code = response.status().as_u16();
        let body: Value = response.json().await?;
        let down = body["status"] == "down";
        ensure!(code == if down { 503 } else { 200 }, "{path}: {code} {body}");
        let one = std::slice::from_ref(&body);
        let told: Vec<&Value> = if services.is_empty() {
            one.iter().collect()
        } else {
            services.iter().map(|name| &body[name]).collect()
        };
        for health in told {
            let known = ["ok", "degraded", "down", "off"].map(Value::from).contains(&health["status"]);
            ensure!(known && health["latency_ms"].is_u64() && health["detail"].is_string(), "{path}: {body}");
        }
        ensure!(services.is_empty() || !down && body["version"].is_string(), "{path}: {body}");
    }
    Ok(())
}
