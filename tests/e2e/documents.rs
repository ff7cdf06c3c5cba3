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

/// Two pages; the content of the second is not in the file.
const LOST_PAGE: &str = "%PDF-1.7
1 0 obj
<</Type/Catalog/Pages 2 0 R>>
endobj
2 0 obj
<</Type/Pages/Count 2/Kids[4 0 R 5 0 R]>>
endobj
3 0 obj
<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>
endobj
4 0 obj
<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents 6 0 R>>
endobj
5 0 obj
<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents 9 0 R>>
endobj
6 0 obj
<</Length 59>>
stream
BT /F1 12 Tf 50 780 Td (Quokkas sleep until noon.) Tj ET
endstream
endobj
trailer
<</Root 1 0 R>>
%%EOF
";

#[tokio::test]
async fn a_page_that_is_lost_is_told_with_the_document_and_with_what_is_found() -> Result<()> {
    let program = Program::start(Options::default().flag("--empty").flag("--no-limits")).await?;
    let operator = Caller::operator(&program.ready).await?;
    let part = reqwest::multipart::Part::bytes(LOST_PAGE.as_bytes().to_vec()).file_name("zoo.pdf");
    let form = reqwest::multipart::Form::new().part("file", part);
    let sent = operator.request(Method::POST, "/api/v1/documents").multipart(form).send().await?;
    let created: Value = sent.json().await?;
    let document = operator.document_read(created["id"].as_str().context("an id")?).await?;
    ensure!(document["status"] == "ready", "{document}");
    let warning = &document["warnings"][0];
    ensure!(warning["part"] == "pages" && warning["name"] == "2", "{document}");
    for language in ["en", "ru"] {
        ensure!(warning[language].as_str().is_some_and(|text| text.ends_with(": 2")), "{document}");
    }
    let ask = serde_json::json!({ "query": "When do quokkas sleep?" });
    let found: Value =
        operator.request(Method::POST, "/api/v1/search").json(&ask).send().await?.json().await?;
    ensure!(found["incomplete"][0]["document_id"] == document["id"], "{found}");
    ensure!(found["incomplete"][0]["warnings"][0]["name"] == "2", "{found}");
    Ok(())
}
