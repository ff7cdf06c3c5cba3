//! How a deployment is.

use anyhow::Result;
use reqwest::Method;

use crate::case::Case;

#[tokio::test]
async fn a_deployment_that_is_well_says_so() -> Result<()> {
    let mut case = Case::begin().await?;
    for path in ["/health/live", "/health/db", "/health/vector", "/health/ai", "/health/services", "/health"]
    {
        case.title(path);
        case.send(case.public(Method::GET, path), 200).await?;
    }
    case.title("Metrics are for who has their token");
    case.send(case.public(Method::GET, "/metrics"), 401).await?;
    case.end("health")
}
