//! Search, as a turn does it.

use anyhow::Result;
use serde_json::json;

use crate::case::{Case, post};

const SEARCH: &str = "/api/v1/search";

#[tokio::test]
async fn passages_are_found_by_words_and_by_meaning() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    for body in [
        json!({ "query": "How much is delivery in Moscow?", "limit": 2, "mode": "lexical" }),
        json!({ "query": "How much is delivery in Moscow?", "limit": 2, "mode": "vector" }),
        json!({ "query": "How much is delivery in Moscow?", "limit": 2, "mode": "hybrid" }),
        json!({ "query": "чайником", "limit": 2, "mode": "lexical" }),
        json!({ "query": "Чистить чайник от накипи", "limit": 2 }),
        json!({ "query": "xyzzy", "mode": "lexical" }),
    ] {
        case.title(&body.to_string());
        case.send(post(&operator, SEARCH, &body), 200).await?;
    }
    for body in [
        json!({ "query": "" }),
        json!({ "query": "  " }),
        json!({ "query": "x".repeat(2001) }),
        json!({ "query": "tea", "limit": 0 }),
        json!({ "query": "tea", "limit": 51 }),
        json!({ "query": "tea", "mode": "psychic" }),
        json!({ "query": "tea", "colour": "green" }),
        json!({}),
    ] {
        case.title("Refused");
        case.send(post(&operator, SEARCH, &body), 422).await?;
    }
    case.title("A visitor");
    let visitor = case.visitor("visitor").await?;
    case.send(post(&visitor, SEARCH, &json!({ "query": "tea" })), 401).await?;
    case.end("search")
}
