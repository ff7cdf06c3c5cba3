//! `bench reading`: how long splitting takes as texts grow, and whether the server answers while it reads a long document.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use frontdesk_domain::text;
use http::{Method, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::connection::{Connection, empty};
use crate::measures::{as_f64, percentile};
use crate::server::{self, Server};

/// How long the document is, in bytes: the largest upload of a fresh installation.
const DOCUMENT: usize = 20 << 20;
/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_millis(5);
/// How long the document may take.
const READ_WITHIN: Duration = Duration::from_secs(600);
/// Sizes of texts that are split, in MiB.
const SIZES: [usize; 4] = [1, 2, 4, 8];

/// How to measure reading.
#[derive(Args, Default)]
pub struct Options {
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    splitting: Vec<Splitting>,
    document_bytes: usize,
    read_seconds: f64,
    probes: usize,
    live_p50_ms: f64,
    live_p99_ms: f64,
    live_longest_ms: f64,
    /// From SIGTERM to the end of the process while a second document is read.
    stop_seconds: f64,
}

/// A kind of text, and the milliseconds that splitting takes for each of [`SIZES`].
#[derive(Debug, Serialize)]
struct Splitting {
    text: &'static str,
    ms: Vec<f64>,
}

fn of(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes.div_ceil(unit.len().max(1)))
}

fn splitting() -> Vec<Splitting> {
    let sentence = "Every order is packed in the warehouse and given to the courier on the same day. ";
    let kinds: [(&str, &dyn Fn(usize) -> String); 4] = [
        ("prose in paragraphs", &|bytes| of(&format!("{}\n\n", of(sentence, 600)), bytes)),
        ("prose on one line", &|bytes| of(sentence, bytes)),
        ("one unbroken word", &|bytes| of("a", bytes)),
        ("a picture as base64 in Markdown", &|bytes| {
            format!(
                "# Kettle\n\n![](data:image/png;base64,{})\n",
                of("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ+/", bytes)
            )
        }),
    ];
    let time = |text: String| {
        let began = Instant::now();
        let count = text::passages(&text).len();
        let ms = began.elapsed().as_secs_f64() * 1e3;
        if count > 0 { ms } else { f64::NAN }
    };
    kinds
        .iter()
        .map(|(text, make)| Splitting { text, ms: SIZES.map(|mib| time(make(mib << 20))).to_vec() })
        .collect()
}

/// A page of 20 MiB, most of it markup.
fn page(number: u32) -> String {
    let mut page = String::from("<!doctype html><html><head><title>All kettles</title></head><body>");
    for paragraph in 0_u32.. {
        if page.len() >= DOCUMENT.saturating_sub(1024) {
            break;
        }
        page.push_str(&format!(
            "<div class=\"catalogue-entry catalogue-entry--wide\" data-entry=\"{number}-{paragraph}\" data-list=\"all-kettles-and-teapots-of-the-shop\" data-position=\"in-the-middle\"><p style=\"margin: 0 0 1em\">\
             Kettle number {paragraph} boils a litre of water in {} minutes and switches itself off.</p></div>\n",
            paragraph % 7
        ));
    }
    page
}

async fn upload(connection: &mut Connection, token: &str, name: &str, file: &str) -> Result<String> {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let mut request = connection
        .request(Method::POST, "/api/v1/documents", token, "application/json")
        .body(Full::from(Bytes::from(body)))?;
    request.headers_mut().insert("content-type", "multipart/form-data; boundary=b".parse()?);
    server::text(&connection.json(request, StatusCode::ACCEPTED).await?, "/id")
}

/// Probes until it is stopped; the times in milliseconds.
async fn probe(mut connection: Connection, stop: std::rc::Rc<std::cell::Cell<bool>>) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    while !stop.get() {
        let request = connection.request(Method::GET, "/health/live", "", "application/json").body(empty())?;
        let began = Instant::now();
        connection.answer(request, StatusCode::OK).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    Ok(times)
}

/// Measures reading.
///
/// # Errors
/// When the server does not start, or the document is not read.
pub async fn run(_options: &Options) -> Result<Report> {
    let splitting = splitting();
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path(), None, false).await?;
    let mut connection = server.connect().await?;
    let token = server.login(&mut connection).await?;

    let stop = std::rc::Rc::new(std::cell::Cell::new(false));
    let probes = tokio::task::spawn_local(probe(server.connect().await?, std::rc::Rc::clone(&stop)));
    let began = Instant::now();
    let id = upload(&mut connection, &token, "kettles.html", &page(0)).await?;
    let path = format!("/api/v1/documents/{id}");
    loop {
        let request = connection.request(Method::GET, &path, &token, "application/json").body(empty())?;
        let document = connection.json(request, StatusCode::OK).await?;
        let status = server::text(&document, "/status")?;
        ensure!(status != "failed", "the document failed: {document}");
        if status == "ready" {
            break;
        }
        ensure!(began.elapsed() < READ_WITHIN, "the document is not read: {document}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let read_seconds = began.elapsed().as_secs_f64();
    stop.set(true);
    let mut times = probes.await.context("the probes")??;
    times.sort_by(f64::total_cmp);

    upload(&mut connection, &token, "more-kettles.html", &page(1)).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    server.stop()?;
    Ok(Report {
        splitting,
        document_bytes: DOCUMENT,
        read_seconds,
        probes: times.len(),
        live_p50_ms: percentile(&times, 0.5),
        live_p99_ms: percentile(&times, 0.99),
        live_longest_ms: times.last().copied().unwrap_or(0.0),
        stop_seconds: began.elapsed().as_secs_f64(),
    })
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "{:<34}{}",
            "splitting, ms for MiB of",
            SIZES.map(|mib| format!("{mib:>9}")).concat()
        )];
        for Splitting { text, ms } in &self.splitting {
            let cells: String = ms.iter().map(|ms| format!("{ms:>9.1}")).collect();
            lines.push(format!("{text:<34}{cells}"));
        }
        lines.push(format!(
            "a page of {:.1} MiB read in {:.1} s; meanwhile {} probes of /health/live: p50 {:.2} ms, p99 {:.2} ms, \
             longest {:.2} ms",
            as_f64(self.document_bytes) / 1_048_576.0,
            self.read_seconds,
            self.probes,
            self.live_p50_ms,
            self.live_p99_ms,
            self.live_longest_ms
        ));
        lines.push(format!("SIGTERM while another one is read: ended after {:.2} s", self.stop_seconds));
        lines.join("\n")
    }
}
