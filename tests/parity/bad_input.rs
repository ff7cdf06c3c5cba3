//! What every call refuses: broken, unknown, too long, too large.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;

use crate::case::{Case, messages};

#[tokio::test]
async fn bad_messages_are_refused_with_their_fields() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    let conversation = visitor.begin().await?;
    let send = |body: Vec<u8>| {
        let request = visitor.request(Method::POST, &messages(&conversation));
        request.header("content-type", "application/json").body(body)
    };
    let text = |value: serde_json::Value| value.to_string().into_bytes();
    for (title, body, status) in [
        ("No text", text(json!({ "client_id": "a", "text": "" })), 422),
        ("Spaces", text(json!({ "client_id": "a", "text": " \n" })), 422),
        ("The longest is 4000 characters", text(json!({ "client_id": "a", "text": "я".repeat(4001) })), 422),
        ("NUL", text(json!({ "client_id": "a", "text": "a\0b" })), 422),
        ("No name", text(json!({ "client_id": "", "text": "x" })), 422),
        ("A name with a space", text(json!({ "client_id": "a b", "text": "x" })), 422),
        ("A name that is too long", text(json!({ "client_id": "a".repeat(65), "text": "x" })), 422),
        ("A number for a text", text(json!({ "client_id": "a", "text": 7 })), 422),
        ("Nothing for a text", text(json!({ "client_id": "a", "text": null })), 422),
        ("A field that there is not", text(json!({ "client_id": "a", "text": "x", "co/lo~ur": 1 })), 422),
        ("A visitor's note", text(json!({ "client_id": "a", "text": "x", "note": true })), 422),
        ("A field is missing", text(json!({ "text": "x" })), 422),
        ("An upload that is none", text(json!({ "client_id": "a", "text": "x", "attachments": ["x"] })), 422),
        (
            "Too many uploads",
            text(
                json!({ "client_id": "a", "text": "x", "attachments": vec!["upl_01h455vb4pex5vsknk084sn02q"; 11] }),
            ),
            422,
        ),
        ("A list", b"[]".to_vec(), 422),
        ("A hundred thousand brackets", vec![b'['; 100_000], 422),
        ("Nothing", Vec::new(), 400),
        ("Broken JSON", b"{\"client_id\":\"a\",\"text\":".to_vec(), 400),
        ("More than JSON", b"{\"client_id\":\"a\",\"text\":\"x\"} {}".to_vec(), 400),
        ("Broken UTF-8", b"{\"client_id\":\"a\",\"text\":\"\xff\xfe\"}".to_vec(), 400),
        ("More than 256 KiB", vec![b' '; 256 * 1024 + 1], 413),
    ] {
        case.title(title);
        case.send(send(body), status).await?;
    }
    case.title("Another type");
    let plain = visitor.request(Method::POST, &messages(&conversation)).header("content-type", "text/plain");
    case.send(plain.body("Hello"), 415).await?;
    ensure!(visitor.log(&conversation).await?.is_empty(), "something was stored");
    case.end("bad_messages")
}

#[tokio::test]
async fn calls_that_there_are_not() -> Result<()> {
    let mut case = Case::begin().await?;
    for (method, path, status) in [
        (Method::GET, "/nothing/here?x=1", 404),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::DELETE, "/api/v1/conversations", 405),
        (Method::PUT, "/api/v1/settings", 405),
        (Method::OPTIONS, "/api/v1/nothing", 404),
    ] {
        case.title(&format!("{method} {path}"));
        case.send(case.public(method, path), status).await?;
    }
    case.end("bad_calls")
}
