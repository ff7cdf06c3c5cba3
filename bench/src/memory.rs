//! `bench memory`: resident memory of the server and the size of the program.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::connection::{Connection, DEADLINE, empty, events, json as body};
use crate::process::Memory;
use crate::server::{self, Server};
use crate::turn::{Model, QUESTIONS};

/// How many streams are open.
const STREAMS: usize = 200;
/// What a server is given to come to rest.
const REST: Duration = Duration::from_secs(2);

/// How to measure memory.
#[derive(Args, Default)]
pub struct Options {
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    streams: usize,
    /// The program on disk.
    program_bytes: u64,
    /// At rest after an ordinary start.
    idle: Memory,
    /// At rest after the first start of all, which reads the demo documents.
    idle_after_first_start: Memory,
    /// With so many visitors listening and nothing going on.
    listening: Memory,
    /// With so many answers being streamed: the most that was seen.
    answering: Memory,
    /// At rest again.
    afterwards: Memory,
}

/// Measures memory.
///
/// # Errors
/// When the server does not start, or an answer does not come.
pub async fn run(_options: &Options) -> Result<Report> {
    let directory = tempfile::tempdir()?;
    let model = Model::start()?;
    let program_bytes = std::fs::metadata(server::program()?)?.len();
    let server = Server::start(directory.path(), Some(&model.base_url), true).await?;
    tokio::time::sleep(REST).await;
    let idle_after_first_start = server.memory()?;
    server.stop()?;

    let server = Server::start(directory.path(), Some(&model.base_url), true).await?;
    tokio::time::sleep(REST).await;
    let idle = server.memory()?;

    let mut preparing = server.connect().await?;
    let mut visitors = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        let visitor = server.visitor(&mut preparing).await?;
        let conversation = server::conversation(&mut preparing, &visitor).await?;
        visitors.push((visitor.token, conversation));
    }
    let mut open = Vec::with_capacity(STREAMS);
    for (token, conversation) in &visitors {
        let mut connection = server.connect().await?;
        let path = format!("/api/v1/conversations/{conversation}/events");
        let request = connection.request(Method::GET, &path, token, "text/event-stream").body(empty())?;
        let response = connection.send(request).await?;
        anyhow::ensure!(response.status() == StatusCode::OK, "listening: {}", response.status());
        open.push((connection, response));
    }
    tokio::time::sleep(REST).await;
    let listening = server.memory()?;
    drop(open);

    let mut running = JoinSet::new();
    for (number, (token, conversation)) in visitors.into_iter().enumerate() {
        let question = QUESTIONS
            .get(number.checked_rem(QUESTIONS.len()).unwrap_or_default())
            .copied()
            .unwrap_or_default();
        running.spawn(answer(server.connect().await?, token, conversation, question));
    }
    let mut answering = Memory::default();
    while !running.is_empty() {
        tokio::select! {
            ended = running.join_next() => { ended.context("an answer")???; }
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        let now = server.memory()?;
        if now.resident_kib > answering.resident_kib {
            answering = now;
        }
    }
    tokio::time::sleep(REST).await;
    let afterwards = server.memory()?;
    server.stop()?;
    Ok(Report {
        streams: STREAMS,
        program_bytes,
        idle,
        idle_after_first_start,
        listening,
        answering,
        afterwards,
    })
}

/// Asks, and reads the answer to its end.
async fn answer(
    mut connection: Connection,
    token: String,
    conversation: String,
    question: &'static str,
) -> Result<()> {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let message = json!({ "client_id": "1", "text": question });
    let request =
        connection.request(Method::POST, &path, &token, "text/event-stream").body(body(&message))?;
    let heard = async {
        let mut events = events(connection.send(request).await?);
        let mut ended = false;
        while let Some(event) = events.next().await {
            ended = event?.event == "end";
        }
        anyhow::ensure!(ended, "an answer was cut");
        Ok(())
    };
    tokio::time::timeout(DEADLINE, heard).await.context("an answer without an end")?
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "sizes far below 2^53")]
        let mib = |kib: u64| kib as f64 / 1024.0;
        let mut lines =
            vec![format!("{:<42} {:>9} {:>9}", "resident memory of the server, MiB", "now", "peak")];
        let streams = self.streams;
        for (what, memory) in [
            ("idle".to_owned(), self.idle),
            ("idle after the first start of all".to_owned(), self.idle_after_first_start),
            (format!("{streams} visitors listening"), self.listening),
            (format!("{streams} answers at once"), self.answering),
            ("idle afterwards".to_owned(), self.afterwards),
        ] {
            lines.push(format!("{what:<42} {:>9.1} {:>9.1}", mib(memory.resident_kib), mib(memory.peak_kib)));
        }
        lines.push(format!("{:<42} {:>9.1}", "the program on disk, MiB", mib(self.program_bytes / 1024)));
        lines.join("\n")
    }
}
