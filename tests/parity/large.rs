//! Large documents: stored and found to their end, and read without holding up anybody. Variables, with their defaults:
//!
//! | variable | what |
//! |---|---|
//! | `FRONTDESK_TEXT_BYTES` | how long the long text is (1048576; 8388608 is the most that is read) |
//! | `FRONTDESK_PDF_PAGES` | how many pages each of three PDFs has (60) |

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use frontdesk_tests::client::{Caller, http};
use reqwest::Method;
use serde_json::{Value, json};

use crate::case::{host, model, upload};

const DOCUMENTS: &str = "/api/v1/documents";
/// How long a document may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// How soon a probe is answered meanwhile.
const SOON: Duration = Duration::from_millis(250);

fn number(name: &str, default: usize) -> Result<usize> {
    Ok(std::env::var(name).ok().map_or(Ok(default), |number| number.parse())?)
}

/// Uploads a file; gives its id.
async fn uploaded(operator: &Caller, name: &str, bytes: &[u8]) -> Result<String> {
    let response = upload(operator, DOCUMENTS, name, bytes).send().await?.error_for_status()?;
    let document: Value = response.json().await?;
    Ok(document["id"].as_str().context("an id")?.to_owned())
}

/// Waits until it is read.
async fn read(operator: &Caller, id: &str) -> Result<Value> {
    let begun = Instant::now();
    let mut again = tokio::time::interval(Duration::from_millis(200));
    loop {
        again.tick().await;
        let response = operator.get(&format!("{DOCUMENTS}/{id}"), "application/json").await?;
        let document: Value = response.error_for_status()?.json().await?;
        if document["status"] == "ready" || document["status"] == "failed" {
            return Ok(document);
        }
        ensure!(begun.elapsed() < PATIENCE, "{document}");
    }
}

async fn delete(operator: &Caller, id: &str) -> Result<()> {
    let gone = operator.request(Method::DELETE, &format!("{DOCUMENTS}/{id}")).send().await?;
    gone.error_for_status()?;
    Ok(())
}

#[tokio::test]
async fn a_long_text_is_found_to_its_end() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let operator = Caller::operator(&host).await?;
    let end = "The lighthouse keeper is called Bartholomew Quince.";
    let length = number("FRONTDESK_TEXT_BYTES", 1 << 20)?;
    let mut text = String::new();
    let mut parcel = 0;
    while text.len() + end.len() + 200 < length {
        parcel += 1;
        write!(text, "Посылка {parcel} лежит на полке {} второго склада.\n\n", parcel % 977)?;
    }
    text.push_str(&"x".repeat(length - text.len() - end.len() - 2));
    write!(text, "\n\n{end}")?;
    ensure!(text.len() == length);

    let id = uploaded(&operator, "parcels.txt", text.as_bytes()).await?;
    let document = read(&operator, &id).await?;
    ensure!(document["status"] == "ready", "{document}");
    let search = json!({ "query": "Who is the lighthouse keeper?", "limit": 1, "mode": "lexical" });
    let response = operator.post("/api/v1/search", &search, "application/json").await?;
    let found: Value = response.error_for_status()?.json().await?;
    ensure!(found.to_string().contains("Bartholomew Quince"), "{found}");
    delete(&operator, &id).await
}

/// A PDF of so many pages of print, of which no two are the same.
fn pdf(number: usize, pages: usize) -> Result<Vec<u8>> {
    let kids: Vec<String> = (0..pages).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{}] /Count {pages} >>", kids.join(" ")),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for page in 0..pages {
        let mut print = String::from("BT /F1 10 Tf 50 800 Td 14 TL\n");
        for line in 0..50 {
            let at = (number * 1_000 + page) * 50 + line;
            writeln!(
                print,
                "(Shelf {at} holds parcel {} of the harbour and lantern {} of street {}.) Tj T*",
                at * 7 % 9_973,
                at * 13 % 7_919,
                at % 101
            )?;
        }
        print.push_str("ET");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents {} 0 R >>",
            5 + 2 * page
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{print}\nendstream", print.len()));
    }
    let mut file = String::from("%PDF-1.4\n");
    let mut places = String::new();
    for (object, number) in objects.iter().zip(1..) {
        writeln!(places, "{:010} 00000 n ", file.len())?;
        write!(file, "{number} 0 obj\n{object}\nendobj\n")?;
    }
    let (place, size) = (file.len(), objects.len() + 1);
    write!(
        file,
        "xref\n0 {size}\n0000000000 65535 f \n{places}trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{place}\n%%EOF"
    )?;
    Ok(file.into_bytes())
}

#[tokio::test]
async fn while_long_documents_are_read_a_probe_is_answered_soon() -> Result<()> {
    let (host, model) = (host()?, model()?);
    model.reset().await?;
    let operator = Caller::operator(&host).await?;
    let pages = number("FRONTDESK_PDF_PAGES", 60)?;
    let reading = async {
        let mut ids = Vec::new();
        for number in 1..=3 {
            ids.push(uploaded(&operator, &format!("shelves-{number}.pdf"), &pdf(number, pages)?).await?);
        }
        for id in &ids {
            let document = read(&operator, id).await?;
            ensure!(document["status"] == "ready", "{document}");
        }
        Ok(ids)
    };
    let mut took = Vec::new();
    let probing = async {
        let (http, live) = (http()?, format!("{}/health/live", host.base_url));
        let mut every = tokio::time::interval(Duration::from_millis(50));
        loop {
            every.tick().await;
            let asked = Instant::now();
            http.get(&live).send().await?.error_for_status()?.bytes().await?;
            took.push(asked.elapsed());
        }
    };
    let ids: Vec<String> = tokio::select! {
        read = reading => read?,
        failed = probing => {
            let failed: Result<()> = failed;
            failed?;
            Vec::new()
        }
    };
    took.sort();
    let (probes, longest) = (took.len(), took.last().copied().unwrap_or_default());
    let late = took.iter().filter(|took| **took > SOON).count();
    println!("{probes} probes, the longest {longest:?}, {late} over {SOON:?}");
    for id in &ids {
        delete(&operator, id).await?;
    }
    // One in fifty may be the machine's own.
    ensure!(late * 50 <= probes, "{late} of {probes} probes took over {SOON:?}, the longest {longest:?}");
    Ok(())
}
