//! Files that are attached to messages.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::json;

use crate::case::{Case, get, messages, multipart, post, upload};

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
async fn a_file_is_fetched_by_those_who_may_see_it() -> Result<()> {
    let mut case = Case::begin().await?;
    let (visitor, other) = (case.visitor("visitor").await?, case.visitor("another visitor").await?);
    let operator = case.operator().await?;
    let path = |id: &str| format!("{UPLOADS}/{id}");

    case.title("A visitor's text");
    let text = case.send(upload(&visitor, UPLOADS, "чай.txt", "Чай".as_bytes()), 201).await?.text("/id")?;
    case.send(get(&visitor, &path(&text)), 200).await?;
    case.title("To a user of the organisation");
    case.send(get(&operator, &path(&text)), 200).await?;
    case.title("To another visitor it is not there");
    case.send(get(&other, &path(&text)), 404).await?;
    case.send(get(&visitor, &path("upl_01h455vb4pex5vsknk084sn02q")), 404).await?;
    case.title("Nobody");
    case.send(case.public(Method::GET, &path(&text)), 401).await?;
    case.title("It is known already");
    let tag = format!("\"{text}\"");
    case.send(get(&visitor, &path(&text)).header("if-none-match", tag), 304).await?;

    case.title("A page is downloaded and never shown");
    let page = upload(&visitor, UPLOADS, "page.html", b"<!doctype html><title>Tea</title><p>Tea</p>");
    let page = case.send(page, 201).await?.text("/id")?;
    case.send(get(&visitor, &path(&page)), 200).await?;

    case.title("An operator's, before a message names it");
    let price = case.send(upload(&operator, UPLOADS, "price.csv", b"Tea,Price\nGreen,300\n"), 201).await?;
    let price = price.text("/id")?;
    let conversation = visitor.begin().await?;
    case.send(get(&visitor, &path(&price)), 404).await?;
    case.title("In a note");
    let note = json!({ "client_id": "n", "text": "", "attachments": [price], "note": true });
    case.send(post(&operator, &messages(&conversation), &note), 202).await?;
    case.send(get(&visitor, &path(&price)), 404).await?;
    case.title("In a message to the visitor");
    let message = json!({ "client_id": "m", "text": "", "attachments": [price] });
    case.send(post(&operator, &messages(&conversation), &message), 202).await?;
    case.send(get(&visitor, &path(&price)), 200).await?;
    case.send(get(&other, &path(&price)), 404).await?;

    // A picture is no text, so it is not in the transcript.
    let response = upload(&visitor, UPLOADS, "kettle.png", PNG).send().await?.error_for_status()?;
    let picture: serde_json::Value = response.json().await?;
    let picture = picture["id"].as_str().context("an id")?;
    let response = get(&visitor, &path(picture)).send().await?.error_for_status()?;
    for (name, value) in [
        ("content-type", "image/png"),
        ("content-disposition", "inline; filename=\"kettle.png\""),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
        ("cache-control", "private, no-cache"),
    ] {
        let told = response.headers().get(name).and_then(|told| told.to_str().ok());
        ensure!(told == Some(value), "{name}: {told:?}");
    }
    ensure!(response.bytes().await? == PNG, "it came back changed");
    case.end("uploads_fetched")
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
