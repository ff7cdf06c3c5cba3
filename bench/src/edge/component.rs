//! `bench spin`: the component on wasmtime, beside one that only says hello; each in a wasmtime of its own, in turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;

use super::contest::{self, Contest, Entrant};
use super::load::{Client, median};
use super::process::{Listening, Repository, component_on};
use super::trips::{Counted, Idle, Proxy};
use super::{Stage, health, posts_to};
use crate::connection::Connection;
use crate::measures::as_f64;
use crate::process::{Machine, machine, memory};
use crate::server;

/// How many event streams are open while memory is measured: as many as four instances take at once.
const STREAMS: usize = 64;
/// How many of them an instance takes.
const AN_INSTANCE: usize = 16;

/// How to measure the component.
#[derive(Args)]
pub struct Options {
    /// The repository with sqld; `cargo xtask bench spin` makes and names it.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
    /// The program `wasmtime`.
    #[arg(long)]
    wasmtime: PathBuf,
    /// The portable component.
    #[arg(long)]
    component: PathBuf,
    /// The component that says hello.
    #[arg(long)]
    hello: PathBuf,
    /// How many rounds; more take longer and say more.
    #[arg(long, default_value_t = 5, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=50))]
    rounds: usize,
    /// The length of a round in milliseconds.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    round_ms: u64,
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    contests: Vec<Contest>,
    started: [Started; 2],
    memory: Resident,
    trips: [Counted; 2],
    idle: [Idle; 2],
}

/// What starting costs, in milliseconds, and the size in bytes.
#[derive(Debug, Serialize)]
struct Started {
    name: &'static str,
    bytes: u64,
    /// Until connections are taken: the component is compiled.
    compiled: f64,
    /// The first answer then: an instance is made.
    first_answer: f64,
}

/// Resident memory of wasmtime, in megabytes.
#[derive(Debug, Serialize)]
struct Resident {
    /// Compiled, and no instance yet.
    compiled: f64,
    /// After one answer.
    one: f64,
    /// For each further instance with all the streams that it takes.
    each: f64,
}

/// Measures the component.
///
/// # Errors
/// When a program does not start, or answers wrongly.
pub async fn run(options: &Options) -> Result<Report> {
    let machine = machine();
    let stage = Stage::start(Repository(std::path::absolute(&options.repository)?)).await?;
    let round = Duration::from_millis(options.round_ms);
    let database = &stage.database.server.base_url;
    let frontdesk = options.frontdesk(&stage, "frontdesk", database, &[]).await?;
    let hello = options.start(&stage, "hello", &options.hello, &[], &[]).await?;

    let mut contests = Vec::new();
    for connections in [1, 16] {
        let clients = || (0..connections).map(|_| health()).collect::<Vec<Client>>();
        let entrants =
            vec![Entrant::new("Frontdesk", &frontdesk, clients()), Entrant::new("hello", &hello, clients())];
        contests.push(contest::run("GET /health/live", entrants, options.rounds, round).await?);
    }
    for connections in [1, 16] {
        let clients = (0..connections).map(|_| health()).collect();
        let posts = posts_to(&stage.database.site, &frontdesk, connections).await?;
        let entrants =
            vec![Entrant::new("Frontdesk", &frontdesk, posts), Entrant::new("hello", &hello, clients)];
        contests.push(contest::run("message post", entrants, options.rounds, round).await?);
    }
    let once = ["--max-instance-reuse-count", "1"];
    let anew = options.frontdesk(&stage, "anew", database, &once).await?;
    let clients = || (0..16).map(|_| health()).collect::<Vec<Client>>();
    let entrants = vec![
        Entrant::new("Frontdesk", &frontdesk, clients()),
        Entrant::new("an instance each", &anew, clients()),
    ];
    contests.push(contest::run("GET /health/live", entrants, options.rounds, round).await?);
    drop((frontdesk, hello, anew));

    let started = [
        options.started(&stage, "Frontdesk", &options.component).await?,
        options.started(&stage, "hello", &options.hello).await?,
    ];
    let memory = options.memory(&stage).await?;
    let proxy = Proxy::start(database).await?;
    let counted = options.frontdesk(&stage, "counted", &proxy.base_url, &[]).await?;
    let trips = proxy.count(&counted, &stage.database, options.rounds.min(3)).await?;
    let idle = proxy.idle(&counted, &stage.database).await?;
    Ok(Report { machine, contests, started, memory, trips, idle })
}

impl Options {
    async fn start(
        &self,
        stage: &Stage,
        name: &str,
        component: &Path,
        variables: &[(String, String)],
        also: &[&str],
    ) -> Result<Listening> {
        let mut command = Command::new(&self.wasmtime);
        command.args(["serve", "-Scli"]).args(also);
        for (name, value) in variables {
            command.env(name, value).args(["--env", name]);
        }
        component_on(command, component, &stage.directory.path().join(format!("{name}.log"))).await
    }

    async fn frontdesk(&self, stage: &Stage, name: &str, database: &str, also: &[&str]) -> Result<Listening> {
        self.start(stage, name, &self.component, &stage.variables(database), also).await
    }

    /// Medians.
    async fn started(&self, stage: &Stage, name: &'static str, component: &Path) -> Result<Started> {
        let (mut compiled, mut answers) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds.min(3) {
            let began = Instant::now();
            let variables = stage.variables(&stage.database.server.base_url);
            let server = self.start(stage, "started", component, &variables, &[]).await?;
            compiled.push(began.elapsed().as_secs_f64() * 1000.0);
            answers.push(first_answer(&server).await?);
        }
        let bytes = std::fs::metadata(component)?.len();
        Ok(Started { name, bytes, compiled: median(compiled), first_answer: median(answers) })
    }

    async fn memory(&self, stage: &Stage) -> Result<Resident> {
        let server = self.frontdesk(stage, "memory", &stage.database.server.base_url, &[]).await?;
        let resident = || anyhow::Ok(as_f64(usize::try_from(memory(server.id())?.resident_kib)?) / 1024.0);
        let compiled = resident()?;
        first_answer(&server).await?;
        let one = resident()?;
        let mut connection = server.connect().await?;
        let visitor = stage.database.site.visitor(&mut connection).await?;
        let conversation = server::conversation(&mut connection, &visitor).await?;
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            open.push(listen(&server, &visitor.token, &conversation).await?);
        }
        let further = as_f64(STREAMS / AN_INSTANCE) - 1.0;
        Ok(Resident { compiled, one, each: (resident()? - one) / further })
    }
}

/// Milliseconds.
async fn first_answer(server: &Listening) -> Result<f64> {
    let mut connection = server.connect().await?;
    let request = connection.request(Method::GET, "/health/live", "", "application/json");
    let sent = Instant::now();
    connection.answer(request.body(Full::default())?, StatusCode::OK).await?;
    Ok(sent.elapsed().as_secs_f64() * 1000.0)
}

/// An event stream, which is open as long as this is held.
pub struct Stream {
    _connection: Connection,
    _events: Response<Incoming>,
}

/// Opens an event stream.
pub async fn listen(server: &Listening, token: &str, conversation: &str) -> Result<Stream> {
    let mut connection = Connection::open(&server.base_url).await?;
    let path = format!("/api/v1/conversations/{conversation}/events?after=0");
    let request = connection.request(Method::GET, &path, token, "text/event-stream").body(Full::default())?;
    let response = connection.send(request).await?;
    ensure!(response.status() == StatusCode::OK, "{}", response.status());
    Ok(Stream { _connection: connection, _events: response })
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "on wasmtime; {} processors for all, load {} before; medians over rounds",
            self.machine.processors, self.machine.load_before
        )];
        lines.extend(self.contests.iter().map(Contest::table));
        lines.push(format!(
            "\n{:<12} {:>12} {:>14} {:>18}",
            "start, ms", "bytes", "compiled", "first answer then"
        ));
        lines.extend(self.started.iter().map(|started| {
            let Started { name, bytes, compiled, first_answer } = started;
            format!("{name:<12} {bytes:>12} {compiled:>14.0} {first_answer:>18.1}")
        }));
        let Resident { compiled, one, each } = self.memory;
        lines.push(format!(
            "\nresident MB: {compiled:.0} compiled, {one:.0} after one answer, {each:.1} for each further instance with {AN_INSTANCE} streams"
        ));
        lines.push(format!(
            "\n{:<32} {:>8} {:>8} {:>8}",
            "round trips to the database", "before", "during", "after"
        ));
        lines.extend(self.trips.iter().map(|Counted { message, before, during, after }| {
            format!("{message:<32} {before:>8} {during:>8} {after:>8}")
        }));
        lines.push(String::new());
        lines.extend(self.idle.iter().map(|Idle { after_s, a_minute }| {
            format!("an open stream, {after_s} s after the last event: {a_minute:.0} calls to the database a minute")
        }));
        lines.join("\n")
    }
}
