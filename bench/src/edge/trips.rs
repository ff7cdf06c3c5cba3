//! Round trips between the Worker and its database, counted and delayed by a proxy between them.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use super::Stage;
use super::component::listen;
use super::load::median;
use super::process::{Database, Listening};
use crate::connection::{Connection, DEADLINE};
use crate::measures::as_f64;
use crate::server::{self, Visitor};
use crate::turn::listen;

/// What is asked; the demo documents answer it.
const QUESTION: &str = "How much is delivery in Moscow?";
/// What a distant database takes for a round trip.
const DISTANCE: Duration = Duration::from_millis(20);
/// How long after an answer what belongs to it is still counted: the room's copy is made within 2 s.
const AFTERWARDS: Duration = Duration::from_secs(4);

/// What was measured: the first message of a conversation, and the next.
#[derive(Debug, Serialize)]
pub struct Trips {
    rows: Vec<Row>,
}

/// Medians over the rounds. Times in milliseconds.
#[derive(Debug, Serialize)]
struct Row {
    message: &'static str,
    delay: Delay,
    /// Round trips before the first token, until the end of the answer, and after it.
    before: f64,
    during: f64,
    after: f64,
    /// Statements in all of them.
    statements: f64,
    first: f64,
    whole: f64,
}

/// What the proxy adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Delay {
    Nothing,
    /// 20 ms for each round trip.
    Trip,
    /// 20 ms for each statement: as if each were a round trip of its own.
    Statement,
}

#[derive(Clone, Copy)]
struct Trip {
    at: Instant,
    statements: usize,
}

/// Stands between a host and its database.
pub struct Proxy {
    /// Where it answers.
    pub base_url: String,
    shared: Rc<Shared>,
}

/// Round trips of one message: before the first token, until the end of the answer, and after it. Medians.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// Which of a conversation.
    pub message: &'static str,
    /// Before the first token.
    pub before: f64,
    /// Until the end of the answer.
    pub during: f64,
    /// Within 4 s after it.
    pub after: f64,
}

/// What one open event stream costs while nothing happens.
#[derive(Debug, Serialize)]
pub struct Idle {
    /// From how many seconds after the last event on.
    pub after_s: u64,
    /// Calls to the database a minute.
    pub a_minute: f64,
}

struct Shared {
    database: String,
    delay: Cell<Delay>,
    trips: RefCell<Vec<Trip>>,
}

/// Counts and times.
pub async fn run(stage: &Stage, rounds: usize) -> Result<Trips> {
    let database = &stage.database;
    let proxy = Proxy::start(&database.server.base_url).await?;
    let worker = stage.frontdesk("trips", &stage.repository.worker(), &proxy.base_url, None).await?;
    let mut rows = Vec::new();
    // What is read once and remembered is read here.
    measure(&worker, database, &proxy).await?;
    for delay in [Delay::Nothing, Delay::Trip, Delay::Statement] {
        proxy.shared.delay.set(delay);
        let mut all = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            let pair = measure(&worker, database, &proxy).await?;
            for (into, one) in all.iter_mut().zip(pair) {
                into.push(one);
            }
        }
        for (message, rounds) in ["first", "next"].into_iter().zip(all) {
            let of = |value: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(value).collect());
            rows.push(Row {
                message,
                delay,
                before: of(&|one| one.before),
                during: of(&|one| one.during),
                after: of(&|one| one.after),
                statements: of(&|one| one.statements),
                first: of(&|one| one.first),
                whole: of(&|one| one.whole),
            });
        }
    }
    Ok(Trips { rows })
}

struct Measured {
    before: f64,
    during: f64,
    after: f64,
    statements: f64,
    first: f64,
    whole: f64,
}

/// Two messages of a new conversation.
async fn measure(worker: &Listening, database: &Database, proxy: &Proxy) -> Result<[Measured; 2]> {
    let mut connection = worker.connect().await?;
    let visitor = database.site.visitor(&mut connection).await?;
    let conversation = server::conversation(&mut connection, &visitor).await?;
    Ok([
        message(&mut connection, &visitor, &conversation, proxy, "1").await?,
        message(&mut connection, &visitor, &conversation, proxy, "2").await?,
    ])
}

async fn message(
    connection: &mut Connection,
    visitor: &Visitor,
    conversation: &str,
    proxy: &Proxy,
    client_id: &str,
) -> Result<Measured> {
    proxy.shared.trips.borrow_mut().clear();
    let sent = Instant::now();
    let turn = listen::turn(connection, &visitor.token, conversation, client_id, QUESTION);
    let heard = tokio::time::timeout(DEADLINE, turn).await.context("no end of an answer")??;
    let whole = sent.elapsed();
    tokio::time::sleep(AFTERWARDS).await;
    let trips = proxy.shared.trips.borrow();
    let first = heard.first();
    let within = |from: f64, to: f64| {
        let at = |trip: &&Trip| (from..to).contains(&(trip.at.duration_since(sent).as_secs_f64() * 1000.0));
        as_f64(trips.iter().filter(at).count())
    };
    let whole = whole.as_secs_f64() * 1000.0;
    Ok(Measured {
        before: within(0.0, first),
        during: within(first, whole),
        after: within(whole, f64::INFINITY),
        statements: as_f64(trips.iter().map(|trip| trip.statements).sum()),
        first,
        whole,
    })
}

impl Proxy {
    /// Counts the round trips of two messages of a conversation.
    pub async fn count(&self, host: &Listening, database: &Database, rounds: usize) -> Result<[Counted; 2]> {
        // What is read once and remembered is read here.
        measure(host, database, self).await?;
        let mut all = Vec::new();
        for _ in 0..rounds {
            all.push(measure(host, database, self).await?);
        }
        let of = |at: usize, value: &dyn Fn(&Measured) -> f64| {
            median(all.iter().filter_map(|pair| pair.get(at)).map(value).collect())
        };
        let counted = |at: usize, message| Counted {
            message,
            before: of(at, &|one| one.before),
            during: of(at, &|one| one.during),
            after: of(at, &|one| one.after),
        };
        Ok([counted(0, "the first message"), counted(1, "the next")])
    }

    /// Counts the calls of a conversation to which somebody listens and in which nothing happens.
    pub async fn idle(&self, host: &Listening, database: &Database) -> Result<[Idle; 2]> {
        const WATCHED: Duration = Duration::from_secs(30);
        let mut connection = host.connect().await?;
        let visitor = database.site.visitor(&mut connection).await?;
        let conversation = server::conversation(&mut connection, &visitor).await?;
        let _stream = listen(host, &visitor.token, &conversation).await?;
        let count = async || {
            self.shared.trips.borrow_mut().clear();
            tokio::time::sleep(WATCHED).await;
            as_f64(self.shared.trips.borrow().len()) * 60.0 / WATCHED.as_secs_f64()
        };
        let lively = Idle { after_s: 0, a_minute: count().await };
        tokio::time::sleep(WATCHED).await;
        // What waits for the last quick look is over, too.
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok([lively, Idle { after_s: 65, a_minute: count().await }])
    }

    /// In front of the database at this address.
    pub async fn start(database: &str) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let shared = Rc::new(Shared {
            database: database.to_owned(),
            delay: Cell::new(Delay::Nothing),
            trips: RefCell::default(),
        });
        let serving = shared.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                let service = service_fn(move |request| {
                    let shared = shared.clone();
                    async move {
                        Ok::<_, Infallible>(
                            shared.forward(request).await.unwrap_or_else(|error| lost(&error)),
                        )
                    }
                });
                // Whoever calls notices its end.
                tokio::task::spawn_local(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        Ok(Self { base_url, shared })
    }
}

impl Shared {
    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
        let at = Instant::now();
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let statements = statements(&serde_json::from_slice(&body).unwrap_or_default());
        self.trips.borrow_mut().push(Trip { at, statements });
        let times = match self.delay.get() {
            Delay::Nothing => 0,
            Delay::Trip => 1,
            Delay::Statement => statements,
        };
        tokio::time::sleep(DISTANCE.saturating_mul(u32::try_from(times)?)).await;
        let mut connection = Connection::open(&self.database).await?;
        let response = connection.send(Request::from_parts(head, Full::from(body))).await?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, Full::from(body.collect().await?.to_bytes())))
    }
}

fn lost(error: &anyhow::Error) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(error.to_string()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// The statements of a pipeline, without those that begin and end transactions.
fn statements(pipeline: &Value) -> usize {
    let requests = pipeline.pointer("/requests").and_then(Value::as_array);
    let all = requests.into_iter().flatten().flat_map(|request| {
        let steps = request.pointer("/batch/steps").and_then(Value::as_array);
        let steps = steps.into_iter().flatten().map(|step| step.pointer("/stmt/sql"));
        steps.chain([request.pointer("/stmt/sql")]).flatten().filter_map(Value::as_str)
    });
    all.filter(|sql| !["BEGIN", "COMMIT", "ROLLBACK"].iter().any(|word| sql.starts_with(word))).count()
}

impl Trips {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "\nround trips to the database, and what {} ms for each adds (model: first token after 200 ms)\n{:<9} {:<10} {:>7} {:>7} {:>7} {:>11} {:>10} {:>10}",
            DISTANCE.as_millis(),
            "message",
            "delay per",
            "before",
            "during",
            "after",
            "statements",
            "first ms",
            "whole ms"
        )];
        lines.extend(self.rows.iter().map(|row| {
            format!(
                "{:<9} {:<10} {:>7} {:>7} {:>7} {:>11} {:>10.1} {:>10.1}",
                row.message,
                format!("{:?}", row.delay).to_lowercase(),
                row.before,
                row.during,
                row.after,
                row.statements,
                row.first,
                row.whole
            )
        }));
        lines.join("\n")
    }
}
