//! Files that want to do harm.

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::Caller;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::program::{Options, Program};

#[tokio::test]
async fn a_hostile_file_is_refused_with_a_reason_and_the_server_goes_on() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let operator = Caller::operator(&program.ready).await?;
    let files: [(&str, Vec<u8>); 3] = [
        ("broken.pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog".to_vec()),
        ("deep.html", [b"<!DOCTYPE html><html><body>".to_vec(), b"<div>".repeat(200_000)].concat()),
        ("noise.bin", (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ];
    for (name, bytes) in files {
        let part = reqwest::multipart::Part::bytes(bytes).file_name(name);
        let form = reqwest::multipart::Form::new().part("file", part);
        let sent = operator.request(Method::POST, "/api/v1/documents").multipart(form).send().await?;
        if sent.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            continue;
        }
        ensure!(sent.status() == StatusCode::ACCEPTED, "{name}: {} {}", sent.status(), sent.text().await?);
        let created: Value = sent.json().await?;
        let document = operator.document_read(created["id"].as_str().context("an id")?).await?;
        ensure!(document["status"] == "failed", "{name}: {document}");
        ensure!(document["reason"].as_str().is_some_and(|reason| reason.len() > 5), "{name}: {document}");
    }
    let live = operator.get("/health/live", "application/json").await?;
    ensure!(live.status() == StatusCode::OK);
    Ok(())
}
