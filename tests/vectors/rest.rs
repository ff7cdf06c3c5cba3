//! What the adapter counts on the server to refuse. It holds for a real server and keeps the stand-in honest.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::qdrant::{ask, ask_with, fresh, key, tidy};

async fn status(method: Method, path: &str, body: Value) -> u16 {
    let (status, answer) = ask(method, path, Some(body)).await;
    assert!(
        status.is_success() || answer["status"]["error"].as_str().is_some_and(|error| !error.is_empty()),
        "an error has words: {status} {answer}"
    );
    status.as_u16()
}

#[tokio::test]
async fn requests_that_are_wrong_are_refused() {
    let name = fresh("rest");
    let path = |rest: &str| format!("/collections/{name}{rest}");
    let put = async |rest: &str, body: Value| status(Method::PUT, &path(rest), body).await;
    let post = async |rest: &str, body: Value| status(Method::POST, &path(rest), body).await;
    let point =
        |id: Value, vector: Value| json!({"points": [{"id": id, "vector": vector, "payload": {"a": 1}}]});
    let id = "550e8400-e29b-41d4-a716-446655440000";

    assert_eq!(post("/points/query", json!({"query": [1, 0]})).await, 404, "no such collection");
    assert_eq!(put("/points?wait=true", point(json!(id), json!([1, 0]))).await, 404);
    assert_eq!(put("", json!({"vectors": {"size": 0, "distance": "Cosine"}})).await, 422);
    assert_eq!(put("", json!({"vectors": {"size": 2, "distance": "Nearness"}})).await, 400);
    assert_eq!(put("", json!({"vectors": {"size": 2, "distance": "Cosine"}})).await, 200);
    assert_eq!(put("", json!({"vectors": {"size": 2, "distance": "Cosine"}})).await, 409, "it exists");
    assert_eq!(put("/index?wait=true", json!({"field_name": "a", "field_schema": "colour"})).await, 400);
    assert_eq!(put("/index?wait=true", json!({"field_name": "a", "field_schema": "integer"})).await, 200);

    assert_eq!(put("/points?wait=true", point(json!("passage-1"), json!([1, 0]))).await, 400, "not a UUID");
    assert_eq!(put("/points?wait=true", point(json!(-1), json!([1, 0]))).await, 400);
    assert_eq!(put("/points?wait=true", point(json!(id), json!([1, 0, 0]))).await, 400, "three dimensions");
    assert_eq!(put("/points?wait=true", point(json!(id), json!(["a"]))).await, 400);
    assert_eq!(put("/points?wait=true", point(json!(id), json!([1, 0]))).await, 200);

    assert_eq!(post("/points/query", json!({"query": [1, 0, 0]})).await, 400, "three dimensions");
    assert_eq!(post("/points/query", json!({"query": [1, 0], "limit": 0})).await, 422);
    let filter = json!({"filter": {"musst": []}});
    assert_eq!(
        post("/points/delete?wait=true", filter).await,
        400,
        "a filter that says nothing deletes nothing"
    );
    let filter = json!({"filter": {"must": [{"key": "a", "match": {"wert": 1}}]}});
    assert_eq!(post("/points/delete?wait=true", filter).await, 400);
    let filter = json!({"must": [{"key": "a", "match": {"value": 1}}]});
    let (_, found) =
        ask(Method::POST, &path("/points/query"), Some(json!({"query": [1, 0], "filter": filter}))).await;
    assert_eq!(found["result"]["points"].as_array().map(Vec::len), Some(1), "{found}");

    let alias = |collection: &str, alias: &str| json!({"actions": [{"create_alias": {"collection_name": collection, "alias_name": alias}}]});
    let aliases = async |body: Value| status(Method::POST, "/collections/aliases", body).await;
    assert_eq!(aliases(alias("no-such-collection", "x")).await, 404);
    assert_eq!(aliases(alias(&name, &name)).await, 409, "a collection is called so");
    assert_eq!(aliases(json!({"actions": [{"rename": {}}]})).await, 400);
    assert_eq!(aliases(alias(&name, &format!("{name}-alias"))).await, 200);
    let (status, _) = ask(Method::GET, &format!("/collections/{name}-alias"), None).await;
    assert_eq!(status, StatusCode::OK, "found by its alias");

    tidy(&name).await;
    let (status, _) = ask(Method::GET, &format!("/collections/{name}-alias"), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "an alias goes with its collection");
}

#[tokio::test]
async fn without_its_key_nothing_is_told_but_that_it_lives() {
    if key().is_none() {
        return; // A server of one's own may have none.
    }
    for wrong in [None, Some("not-the-key")] {
        let (status, _) = ask_with(wrong, Method::GET, "/collections/frontdesk/exists", None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let (status, _) = ask_with(wrong, Method::GET, "/healthz", None).await;
        assert_eq!(status, StatusCode::OK);
    }
}
