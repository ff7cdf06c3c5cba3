//! `bench answers`: labelled questions of visitors, asked through the whole product, and what of the answers is right.

mod judge;
mod questions;

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use serde_json::{Value, json};

use crate::connection::{Connection, events, json as body};
use crate::measures::percentile;
use crate::server::{self, Server, Visitor, text};
use crate::turn::Model;
use judge::{Answer, Counts, Verdict, judge};
use questions::{DOCUMENTS, Dialogue, Label, SETS, Set};

/// How to measure answers.
#[derive(Args, Default)]
pub struct Options {
    /// Print each question that was not answered well, of the sets that may be tuned by.
    #[arg(long)]
    pub show: bool,
    /// Print those of the held-out sets, too. What was seen is held out no more.
    #[arg(long)]
    pub show_held_out: bool,
    /// Print every question with its answer (of the sets that are shown).
    #[arg(long)]
    pub every: bool,
    /// Only questions whose line holds this.
    #[arg(long)]
    pub only: Option<String>,
    /// Leave out what asks a model.
    #[arg(long)]
    pub without_model: bool,
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    rows: Vec<Row>,
    with_model: Option<Reach>,
    question_p50_ms: f64,
    question_p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct Row {
    set: &'static str,
    language: String,
    counts: Counts,
}

/// What of the questions a model was asked.
#[derive(Debug, Default, Serialize)]
struct Reach {
    ordinary: usize,
    reached: usize,
    refused_harmless: usize,
    attacks: usize,
    refused_attacks: usize,
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![
            "| set | language | questions | good | miss | misleading | refused | attacks refused |"
                .to_owned(),
            "|---|---|---|---|---|---|---|---|".to_owned(),
        ];
        for row in &self.rows {
            lines.push(row.counts.line(row.set, &row.language));
        }
        let mut all = Counts::default();
        let mut held_out = Counts::default();
        for row in &self.rows {
            all.add(&row.counts);
            if row.set.starts_with("held-out") {
                held_out.add(&row.counts);
            }
        }
        lines.push(held_out.line("held-out together", ""));
        lines.push(all.line("together", ""));
        if let Some(reach) = &self.with_model {
            lines.push(format!(
                "\nWith a model: {} of {} ordinary messages reach it ({:.1} %), {} of them refused; {} of {} attacks refused",
                reach.reached,
                reach.ordinary,
                judge::percent(reach.reached, reach.ordinary),
                reach.refused_harmless,
                reach.refused_attacks,
                reach.attacks
            ));
        }
        lines.push(format!(
            "From a question to its whole answer, without a model: p50 {:.1} ms, p99 {:.1} ms",
            self.question_p50_ms, self.question_p99_ms
        ));
        lines.join("\n")
    }
}

/// Asks every question of every set, without a model and with the stand-in.
///
/// # Errors
/// When the server does not start, or an answer does not come.
pub async fn run(options: &Options) -> Result<Report> {
    let mut report = Report::default();
    let mut times = Vec::new();
    let mut reach = Reach::default();
    let model = if options.without_model { None } else { Some(Model::quick()?) };
    for (documents, files) in DOCUMENTS {
        let sets: Vec<&Set> = SETS.iter().filter(|set| set.documents == *documents).collect();
        let directory = tempfile::tempdir()?;
        let server = start(directory.path(), files, None).await?;
        for set in &sets {
            ask_set(&server, set, options, &mut report, &mut times).await?;
        }
        server.stop()?;
        if let Some(model) = &model {
            let directory = tempfile::tempdir()?;
            let server = start(directory.path(), files, Some(&model.base_url)).await?;
            for set in &sets {
                reach_set(&server, set, options, &mut reach).await?;
            }
            server.stop()?;
        }
    }
    times.sort_by(f64::total_cmp);
    report.question_p50_ms = percentile(&times, 0.5);
    report.question_p99_ms = percentile(&times, 0.99);
    report.with_model = model.map(|_| reach);
    Ok(report)
}

/// A server that has read these files, or the demo shop's if there are none.
async fn start(directory: &std::path::Path, files: &[(&str, &str)], model: Option<&str>) -> Result<Server> {
    let shop = files.is_empty();
    let server = Server::start(directory, model, shop).await?;
    if !shop {
        let mut connection = server.connect().await?;
        let token = server.login(&mut connection).await?;
        for (name, content) in files {
            upload(&mut connection, &token, name, content).await?;
        }
    }
    Ok(server)
}

async fn upload(connection: &mut Connection, token: &str, name: &str, content: &str) -> Result<()> {
    const BORDER: &str = "a-border-that-no-text-holds";
    let form = format!(
        "--{BORDER}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{content}\r\n--{BORDER}--\r\n"
    );
    let mut request = connection
        .request(Method::POST, "/api/v1/documents", token, "application/json")
        .body(Full::from(form))?;
    let value = format!("multipart/form-data; boundary={BORDER}").parse()?;
    request.headers_mut().insert("content-type", value);
    let created = connection.json(request, StatusCode::ACCEPTED).await?;
    let path = format!("/api/v1/documents/{}", text(&created, "/id")?);
    for _ in 0..500 {
        let request = connection.request(Method::GET, &path, token, "application/json");
        let document = connection.json(request.body(crate::connection::empty())?, StatusCode::OK).await?;
        match text(&document, "/status")?.as_str() {
            "ready" => return Ok(()),
            "failed" => bail!("{name} was not read: {document}"),
            _ => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
    bail!("{name} was not read in time")
}

fn chosen(dialogue: &Dialogue, options: &Options) -> bool {
    options.only.as_ref().is_none_or(|only| dialogue.turns.iter().any(|turn| turn.question.contains(only)))
}

async fn ask_set(
    server: &Server,
    set: &'static Set,
    options: &Options,
    report: &mut Report,
    times: &mut Vec<f64>,
) -> Result<()> {
    let shown = if set.name.starts_with("held-out") { options.show_held_out } else { options.show };
    let mut connection = server.connect().await?;
    for dialogue in set.dialogues()?.iter().filter(|dialogue| chosen(dialogue, options)) {
        let visitor = server.visitor(&mut connection).await?;
        let conversation = server::conversation(&mut connection, &visitor).await?;
        for (number, turn) in dialogue.turns.iter().enumerate() {
            let began = Instant::now();
            let answer = ask(server, &visitor, &conversation, number, &turn.question).await?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
            let verdict = judge(&turn.label, &answer);
            if shown && (options.every || verdict != Verdict::Good) {
                let text = answer.text.replace('\n', " ⏎ ");
                println!(
                    "{verdict:?} | {} {} | {} => {} | {} | {text} {:?}",
                    dialogue.language,
                    dialogue.kind,
                    turn.question,
                    turn.wanted,
                    answer.outcome,
                    answer.suggestions
                );
            }
            let row = match report
                .rows
                .iter_mut()
                .find(|row| row.set == set.name && row.language == dialogue.language)
            {
                Some(row) => row,
                None => {
                    report.rows.push(Row {
                        set: set.name,
                        language: dialogue.language.clone(),
                        counts: Counts::default(),
                    });
                    report.rows.last_mut().context("a row")?
                }
            };
            row.counts.note(&turn.label, verdict);
        }
    }
    Ok(())
}

async fn reach_set(server: &Server, set: &Set, options: &Options, reach: &mut Reach) -> Result<()> {
    let mut connection = server.connect().await?;
    for dialogue in set.dialogues()?.iter().filter(|dialogue| chosen(dialogue, options)) {
        let visitor = server.visitor(&mut connection).await?;
        let conversation = server::conversation(&mut connection, &visitor).await?;
        for (number, turn) in dialogue.turns.iter().enumerate() {
            let answer = ask(server, &visitor, &conversation, number, &turn.question).await?;
            match turn.label {
                Label::Attack => {
                    reach.attacks = reach.attacks.saturating_add(1);
                    reach.refused_attacks =
                        reach.refused_attacks.saturating_add(usize::from(answer.refused()));
                }
                Label::Person => {}
                Label::Talk | Label::Answered { .. } => {
                    reach.ordinary = reach.ordinary.saturating_add(1);
                    reach.reached = reach.reached.saturating_add(usize::from(answer.by_model));
                    reach.refused_harmless =
                        reach.refused_harmless.saturating_add(usize::from(answer.refused()));
                    if options.show && !answer.by_model {
                        println!("not reached | {} => {} | {}", turn.question, answer.outcome, answer.text);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Asks once and gives what was stored in the end.
async fn ask(
    server: &Server,
    visitor: &Visitor,
    conversation: &str,
    number: usize,
    question: &str,
) -> Result<Answer> {
    let mut connection = server.connect().await?;
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let message = json!({ "client_id": format!("q{number}"), "text": question });
    let request =
        connection.request(Method::POST, &path, &visitor.token, "text/event-stream").body(body(&message))?;
    let response = connection.send(request).await?;
    if response.status() != StatusCode::OK {
        let status = response.status();
        let said = response.into_body().collect().await?.to_bytes();
        bail!("{question}: {status}: {}", String::from_utf8_lossy(&said));
    }
    let mut answer = Answer::default();
    let mut events = events(response);
    while let Some(event) = events.next().await {
        let event: Value = serde_json::from_str(&event?.data)?;
        match event.pointer("/kind").and_then(Value::as_str) {
            Some("message.created")
                if event.pointer("/message/author/kind").and_then(Value::as_str) == Some("ai") =>
            {
                answer.text = text(&event, "/message/text")?;
            }
            Some("turn.finished") => {
                answer.outcome = text(&event, "/outcome")?;
                answer.by_model = event.pointer("/usage").is_some_and(|usage| !usage.is_null());
                let suggestions = event.pointer("/suggestions").and_then(Value::as_array);
                answer.suggestions = suggestions
                    .map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                    .unwrap_or_default();
            }
            _ => {}
        }
    }
    Ok(answer)
}
