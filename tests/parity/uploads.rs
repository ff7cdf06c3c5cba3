//! Files that are attached to messages.

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use crate::case::{Case, messages, multipart, post, upload};

const UPLOADS: &str = "/api/v1/uploads";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

#[tokio::test]
async fn a_file_is_attached_by_its_owner() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, other) = (case.visitor("visitor").await?, case.visitor("another visitor").await?);
    let operator = case.operator().await?;

    case.title("A picture; its folders are not kept");
    let picture = case.send(upload(&visitor, UPLOADS, "../../etc/чайник.png", PNG), 201).await?;
    case.title("A text; its type is told by its content");
    case.send(upload(&visitor, UPLOADS, "text.pdf", "Чай".as_bytes()), 201).await?;
    case.title("An operator's");
    case.send(upload(&operator, UPLOADS, "price.csv", b"Tea,Price\nGreen,300\n"), 201).await?;

    let body = json!({ "client_id": "a", "text": "", "attachments": [picture.text("/id")?] });
    case.title("Attached, without a text");
    let conversation = visitor.begin().await?;
    case.send(post(&visitor, &messages(&conversation), &body), 202).await?;
    case.answered(&visitor, &conversation, 1).await?;
    case.title("Another visitor cannot");
    let conversation = other.begin().await?;
    case.send(post(&other, &messages(&conversation), &body), 422).await?;
    case.end("uploads")
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused() -> Result<()> {
    let mut case = Case::begin().await?;
    let visitor = case.visitor("visitor").await?;
    case.title("Empty");
    case.send(upload(&visitor, UPLOADS, "empty.txt", b""), 422).await?;
    case.title("A program");
    case.send(upload(&visitor, UPLOADS, "tea.png", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0"), 415)
        .await?;
    case.title("More than 20 MiB");
    case.send(upload(&visitor, UPLOADS, "large.txt", &vec![b'a'; 20 * 1024 * 1024 + 1]), 413).await?;
    case.title("Two");
    case.send(multipart(&visitor, UPLOADS, &[("file", "a", b"a"), ("file", "b", b"b")]), 422).await?;
    case.title("None");
    case.send(multipart(&visitor, UPLOADS, &[]), 422).await?;
    case.title("Another field");
    case.send(multipart(&visitor, UPLOADS, &[("picture", "a", b"a")]), 422).await?;
    case.title("Not multipart");
    case.send(post(&visitor, UPLOADS, &json!({ "file": "x" })), 415).await?;
    case.title("Multipart without an end");
    let request = visitor.request(Method::POST, UPLOADS);
    let request = request.header("content-type", "multipart/form-data; boundary=border");
    let half = "--border\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhal";
    case.send(request.body(half), 400).await?;
    case.title("Nobody");
    case.send(case.public(Method::POST, UPLOADS).body("x"), 401).await?;
    case.end("uploads_refused")
}
