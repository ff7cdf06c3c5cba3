//! Documents: from upload to answer, and gone everywhere.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::chat::operator;
use crate::client::Visitor;
use crate::program::{Options, Program};

/// Waits until a document was read, and gives it.
async fn read(program: &Program, http: &reqwest::Client, token: &str, id: &str) -> Result<Value> {
    let mut again = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..600 {
        let response =
            http.get(program.url(&format!("/api/v1/documents/{id}"))).bearer_auth(token).send().await?;
        let document: Value = response.json().await?;
        if document["status"] == "ready" || document["status"] == "failed" {
            return Ok(document);
        }
        again.tick().await;
    }
    bail!("it was never read");
}

#[tokio::test]
async fn an_uploaded_text_answers_and_a_deleted_one_does_not() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let (http, token) = operator(&program).await?;
    let visitor = Visitor::new(&program.ready).await?;
    let question = "How many zebras live in the courtyard?";
    let before = visitor.ask(&visitor.begin().await?, question).await?;
    ensure!(before.outcome() == "no_answer", "{before:?}");

    let body =
        json!({ "title": "Courtyard", "text": "# Courtyard\n\nSeventeen zebras live in the courtyard.\n" });
    let created = http.post(program.url("/api/v1/documents")).bearer_auth(&token).json(&body).send().await?;
    ensure!(created.status() == StatusCode::ACCEPTED, "{}", created.text().await?);
    let created: Value = created.json().await?;
    let id = created["id"].as_str().context("an id")?;
    let document = read(&program, &http, &token, id).await?;
    ensure!(document["status"] == "ready", "{document}");

    let answered = visitor.ask(&visitor.begin().await?, question).await?;
    ensure!(answered.outcome() == "quoted" && answered.answer().contains("Seventeen"), "{answered:?}");
    ensure!(answered.answers[0]["citations"][0]["document_id"] == id);

    let deleted =
        http.delete(program.url(&format!("/api/v1/documents/{id}"))).bearer_auth(&token).send().await?;
    ensure!(deleted.status() == StatusCode::NO_CONTENT, "{}", deleted.status());
    let after = visitor.ask(&visitor.begin().await?, question).await?;
    ensure!(after.outcome() == "no_answer", "{after:?}");
    Ok(())
}

#[tokio::test]
async fn a_hostile_file_is_refused_with_a_reason_and_the_server_goes_on() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let (http, token) = operator(&program).await?;
    let files: [(&str, Vec<u8>); 3] = [
        ("broken.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog".to_vec()),
        ("deep.html", [b"<!DOCTYPE html><html><body>".to_vec(), b"<div>".repeat(200_000)].concat()),
        ("noise.bin", (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ];
    for (name, bytes) in files {
        let part = reqwest::multipart::Part::bytes(bytes).file_name(name);
        let form = reqwest::multipart::Form::new().part("file", part);
        let sent =
            http.post(program.url("/api/v1/documents")).bearer_auth(&token).multipart(form).send().await?;
        if sent.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            continue;
        }
        ensure!(sent.status() == StatusCode::ACCEPTED, "{name}: {} {}", sent.status(), sent.text().await?);
        let created: Value = sent.json().await?;
        let document = read(&program, &http, &token, created["id"].as_str().context("an id")?).await?;
        ensure!(document["status"] == "failed", "{name}: {document}");
        ensure!(document["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{name}: {document}");
    }
    let live = http.get(program.url("/health/live")).send().await?;
    ensure!(live.status() == StatusCode::OK);
    Ok(())
}
