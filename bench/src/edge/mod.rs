//! `bench edge`: the Worker on bare workerd, beside a plain JavaScript Worker with the same routes and a room of the npm
//! package `partyserver`, each in a workerd of its own. They take turns within one run, so that a busy machine slows all of
//! them; figures are medians over the rounds, ratios are taken within each round first.

pub mod component;
mod contest;
mod fan_out;
mod load;
mod process;
mod start_up;
mod trips;
mod turns;

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::process::{Machine, machine};
use crate::server::{self, Site};
use crate::turn::Model;
use contest::{Contest, Entrant};
use fan_out::{FanOut, Socket};
use load::{Client, Request};
use process::{Database, Listening, Repository, Worker, worker_in};
use start_up::StartUp;
use trips::Trips;
use turns::Turns;

/// How many sockets listen to one conversation.
const SOCKETS: usize = 100;
/// Trips hardly vary, and each round waits for what comes after the answers.
const TRIP_ROUNDS: usize = 2;

/// How to measure the Worker.
#[derive(Args)]
pub struct Options {
    /// The repository with the built Worker, workerd and sqld; `cargo xtask bench edge` makes and names it.
    #[arg(long, default_value = ".")]
    repository: PathBuf,
    /// Only this part.
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// Another build of the Worker, to be measured beside this one: a directory like functions/cloudflare.
    #[arg(long, value_name = "DIRECTORY")]
    beside: Option<PathBuf>,
    /// Lets a profiler attach to the Worker on this port (the DevTools protocol).
    #[arg(long, value_name = "PORT")]
    inspector: Option<u16>,
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

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// An empty request, JSON, a message post.
    Requests,
    /// A message to many sockets.
    FanOut,
    /// Whole turns.
    Turns,
    /// Round trips to the database.
    Trips,
    /// What starting costs.
    StartUp,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    contests: Vec<Contest>,
    fan_out: Option<FanOut>,
    turns: Vec<Turns>,
    trips: Option<Trips>,
    start_up: Option<StartUp>,
}

/// What the Workers stand on.
struct Stage {
    repository: Repository,
    database: Database,
    model: Model,
    /// Dropped last: the others store in it.
    directory: tempfile::TempDir,
}

/// Everything that runs.
struct Edge {
    frontdesk: Listening,
    beside: Option<Listening>,
    plain: Listening,
    party: Listening,
    stage: Stage,
}

/// Measures the Worker.
///
/// # Errors
/// When a program does not start, or answers wrongly.
pub async fn run(options: &Options) -> Result<Report> {
    let machine = machine();
    let stage = Stage::start(Repository(std::path::absolute(&options.repository)?)).await?;
    let edge = Edge::start(stage, options).await?;
    let round = Duration::from_millis(options.round_ms);
    let wanted = |part: Part| options.only.is_none_or(|only| only == part);
    let mut report = Report {
        machine,
        contests: Vec::new(),
        fan_out: None,
        turns: Vec::new(),
        trips: None,
        start_up: None,
    };
    if wanted(Part::Requests) {
        for connections in [1, 16] {
            report.contests.extend(requests(&edge, connections, options.rounds, round).await?);
        }
    }
    if wanted(Part::FanOut) {
        report.fan_out = Some(fan_out::run(edge.rooms().await?, SOCKETS, options.rounds, round).await?);
    }
    if wanted(Part::Turns) {
        for streams in [1, 20] {
            report.turns.push(turns::run(&edge, streams, options.rounds).await?);
        }
    }
    if wanted(Part::Trips) {
        let rounds = options.rounds.min(TRIP_ROUNDS);
        report.trips = Some(trips::run(&edge.stage, rounds).await?);
    }
    if wanted(Part::StartUp) {
        report.start_up = Some(start_up::run(&edge.stage, options.rounds).await?);
    }
    Ok(report)
}

/// Requests that one connection or many send without a pause.
async fn requests(edge: &Edge, connections: usize, rounds: usize, round: Duration) -> Result<[Contest; 3]> {
    let all = |client: fn() -> Client| {
        let servers = [
            ("Frontdesk", Some(&edge.frontdesk)),
            ("other build", edge.beside.as_ref()),
            ("plain", Some(&edge.plain)),
        ];
        let servers = servers.into_iter().filter_map(|(name, server)| Some((name, server?)));
        let entrant =
            |(name, server)| Entrant::new(name, server, (0..connections).map(|_| client()).collect());
        servers.map(entrant).collect::<Vec<_>>()
    };
    let mut posts = vec![Entrant::new(
        "Frontdesk",
        &edge.frontdesk,
        edge.frontdesk_posts(&edge.frontdesk, connections).await?,
    )];
    if let Some(beside) = &edge.beside {
        posts.push(Entrant::new("other build", beside, edge.frontdesk_posts(beside, connections).await?));
    }
    posts.push(Entrant::new("plain", &edge.plain, edge.plain_posts(connections).await?));
    posts.push(Entrant::new("partyserver", &edge.party, Edge::party_posts(connections)));
    Ok([
        contest::run("GET /health/live", all(health), rounds, round).await?,
        contest::run("JSON in, JSON out", all(refused), rounds, round).await?,
        contest::run("message post", posts, rounds, round).await?,
    ])
}

impl Edge {
    async fn start(stage: Stage, options: &Options) -> Result<Self> {
        let database_url = &stage.database.server.base_url;
        let modules = stage.repository.worker();
        let frontdesk = stage.frontdesk("frontdesk", &modules, database_url, options.inspector).await?;
        let beside = match &options.beside {
            Some(directory) => {
                Some(stage.frontdesk("beside", &worker_in(directory), database_url, None).await?)
            }
            None => None,
        };
        let party = Worker {
            name: "party",
            modules: &stage.repository.other("party.js"),
            variables: &[],
            inspector: None,
            objects: &[("Party", "Party")],
        };
        let directory = stage.directory.path();
        let plain = stage.plain("plain").await?;
        let party = party.start(&stage.repository, directory).await?;
        Ok(Self { frontdesk, beside, plain, party, stage })
    }

    async fn frontdesk_posts(&self, server: &Listening, connections: usize) -> Result<Vec<Client>> {
        posts_to(&self.stage.database.site, server, connections).await
    }

    async fn plain_posts(&self, connections: usize) -> Result<Vec<Client>> {
        let mut connection = self.plain.connect().await?;
        let mut clients = Vec::with_capacity(connections);
        for _ in 0..connections {
            let visitor = self.stage.database.site.visitor(&mut connection).await?;
            let conversation = server::conversation(&mut connection, &visitor).await?;
            let path = format!("/api/v1/conversations/{conversation}/messages");
            clients.push(post(path, visitor.token));
        }
        Ok(clients)
    }

    /// One conversation of each.
    async fn rooms(&self) -> Result<Vec<fan_out::Entrant<'_>>> {
        let socket = |poster: &Client| Socket {
            path: poster.request.path.replace("/messages", "/socket"),
            token: Some(poster.request.token.clone()).filter(|token| !token.is_empty()),
        };
        let posters = [
            ("Frontdesk", &self.frontdesk, self.frontdesk_posts(&self.frontdesk, 1).await?),
            ("plain", &self.plain, self.plain_posts(1).await?),
            ("partyserver", &self.party, Self::party_posts(1)),
        ];
        let entrants = posters.into_iter().flat_map(|(name, server, posters)| {
            posters.into_iter().map(move |poster| fan_out::Entrant {
                name,
                server,
                socket: socket(&poster),
                poster,
            })
        });
        Ok(entrants.collect())
    }

    /// Each connection posts to a room of its own.
    fn party_posts(connections: usize) -> Vec<Client> {
        let path = |number| format!("/parties/party/{connections}-{number}");
        (0..connections).map(|number| post(path(number), String::new())).collect()
    }
}

impl Stage {
    async fn start(repository: Repository) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let model = Model::start()?;
        let database = Database::start(&repository, directory.path()).await?;
        Ok(Self { repository, database, model, directory })
    }

    /// The Worker, on a database at this address.
    async fn frontdesk(
        &self,
        name: &str,
        modules: &[(String, PathBuf)],
        database_url: &str,
        inspector: Option<u16>,
    ) -> Result<Listening> {
        let worker = Worker {
            name,
            modules,
            variables: &self.variables(database_url),
            inspector,
            objects: &[("ROOMS", "RoomObject"), ("LIMITERS", "LimiterObject"), ("JOBS", "JobsObject")],
        };
        worker.start(&self.repository, self.directory.path()).await
    }

    /// The plain JavaScript Worker.
    async fn plain(&self, name: &str) -> Result<Listening> {
        let worker = Worker {
            name,
            modules: &self.repository.other("plain.js"),
            variables: &self.variables(&self.database.server.base_url),
            inspector: None,
            objects: &[("ROOMS", "Room")],
        };
        worker.start(&self.repository, self.directory.path()).await
    }

    fn variables(&self, database_url: &str) -> Vec<(String, String)> {
        let level = std::env::var("LOG_LEVEL").unwrap_or_else(|_| "info".to_owned());
        let set = [
            ("DATABASE_URL", database_url),
            ("OPENAI_BASE_URL", &self.model.base_url),
            ("OPENAI_API_KEY", "bench"),
            ("OPENAI_MODEL", "fake-chat"),
            ("RATE_LIMIT_STORE", "none"),
            ("LOG_LEVEL", &level),
        ];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.database.secrets.iter().cloned().chain(set).collect()
    }
}

/// Each connection posts to a conversation of its own, in an operator's hands: no turn runs.
async fn posts_to(site: &Site, server: &Listening, connections: usize) -> Result<Vec<Client>> {
    let mut connection = server.connect().await?;
    let operator = site.login(&mut connection).await?;
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        let visitor = site.visitor(&mut connection).await?;
        let conversation = server::conversation(&mut connection, &visitor).await?;
        server::take_over(&mut connection, &operator, &conversation).await?;
        clients.push(post(format!("/api/v1/conversations/{conversation}/messages"), visitor.token));
    }
    Ok(clients)
}

/// A new message each time.
fn post(path: String, token: String) -> Client {
    let body = |number: usize| {
        let text = "Is my order on its way? It was placed on Monday, number 20417, two kettles.";
        Bytes::from(json!({ "client_id": format!("m-{number}"), "text": text }).to_string())
    };
    let request =
        Request { method: Method::POST, path, token, expected: StatusCode::ACCEPTED, body: Rc::new(body) };
    Client { request, sent: 0 }
}

/// The least that is answered.
fn health() -> Client {
    let request = Request {
        method: Method::GET,
        path: "/health/live".to_owned(),
        token: String::new(),
        expected: StatusCode::OK,
        body: Rc::new(|_| Bytes::new()),
    };
    Client { request, sent: 0 }
}

/// JSON that is read, checked and refused with JSON that names the field: no database, no object.
fn refused() -> Client {
    let request = Request {
        method: Method::POST,
        path: "/api/v1/widget/sessions".to_owned(),
        token: String::new(),
        expected: StatusCode::UNPROCESSABLE_ENTITY,
        body: Rc::new(|_| Bytes::from_static(br#"{"site_key":"none","locale":"en","colour":"red"}"#)),
    };
    Client { request, sent: 0 }
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "on bare workerd; {} processors for all, load {} before; medians over rounds",
            self.machine.processors, self.machine.load_before
        )];
        lines.extend(self.contests.iter().map(Contest::table));
        lines.extend(self.fan_out.iter().map(FanOut::table));
        lines.extend(self.turns.iter().map(Turns::table));
        lines.extend(self.trips.iter().map(Trips::table));
        lines.extend(self.start_up.iter().map(StartUp::table));
        lines.join("\n")
    }
}
