//! `bench posts`: messages stored per second. Every post is acknowledged after it is on disk; no turn runs, because the
//! conversations are in an operator's hands.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::connection::{Connection, empty};
use crate::measures::{as_f64, percentile};
use crate::process::{self, Machine};
use crate::server::{self, Server, number};

/// How many connections post at once.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// For how long.
const MEASURED: Duration = Duration::from_secs(5);
/// What comes before and is not counted.
const WARM: Duration = Duration::from_millis(500);

/// How to measure posts.
#[derive(Args, Default)]
pub struct Options {
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    /// What the disk allows a program that waits for each write of 4 KiB.
    durable_writes_per_second: f64,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    connections: usize,
    posts: usize,
    posts_per_second: f64,
    /// Posts per second over the disk's durable writes per second.
    over_durable_writes: f64,
    p50_ms: f64,
    p99_ms: f64,
    server_ms_per_post: f64,
    /// Acknowledged posts that are not in the log afterwards.
    lost: u64,
}

/// Who posts, and where.
struct Poster {
    connection: Connection,
    token: String,
    conversation: String,
    last_seq: u64,
}

/// Measures posts.
///
/// # Errors
/// When the server does not start, or a post is not acknowledged.
pub async fn run(_options: &Options) -> Result<Report> {
    let machine = process::machine();
    let directory = tempfile::tempdir()?;
    let server = Server::start(directory.path(), None, false).await?;
    let durable_writes_per_second = process::durable_writes_per_second(directory.path())?;
    let mut connection = server.connect().await?;
    let operator = server.login(&mut connection).await?;
    let mut rows = Vec::new();
    for connections in CONNECTIONS {
        let mut posters = Vec::with_capacity(connections);
        for _ in 0..connections {
            let visitor = server.visitor(&mut connection).await?;
            let conversation = server::conversation(&mut connection, &visitor).await?;
            server::take_over(&mut connection, &operator, &conversation).await?;
            let last_seq = last_seq(&mut connection, &operator, &conversation).await?;
            posters.push(Poster {
                connection: server.connect().await?,
                token: visitor.token,
                conversation,
                last_seq,
            });
        }
        let before = server.processor_time()?;
        let began = Instant::now();
        let mut running = JoinSet::new();
        for poster in posters {
            running.spawn(post(poster, began));
        }
        let (mut times, mut all, mut lost) = (Vec::new(), 0_usize, 0_u64);
        while let Some(ended) = running.join_next().await {
            let (poster, posted, measured) = ended??;
            times.extend(measured);
            all = all.saturating_add(posted);
            let grown = last_seq(&mut connection, &operator, &poster.conversation)
                .await?
                .saturating_sub(poster.last_seq);
            lost = lost.saturating_add(u64::try_from(posted)?.saturating_sub(grown));
        }
        let spent = server.processor_time()?.saturating_sub(before);
        times.sort_by(f64::total_cmp);
        let rate = as_f64(times.len()) / MEASURED.as_secs_f64();
        rows.push(Row {
            connections,
            posts: times.len(),
            posts_per_second: rate,
            over_durable_writes: rate / durable_writes_per_second.max(f64::MIN_POSITIVE),
            p50_ms: percentile(&times, 0.5),
            p99_ms: percentile(&times, 0.99),
            server_ms_per_post: spent.as_secs_f64() * 1000.0 / as_f64(all.max(1)),
            lost,
        });
    }
    server.stop()?;
    Ok(Report { machine, durable_writes_per_second, rows })
}

async fn last_seq(connection: &mut Connection, operator: &str, conversation: &str) -> Result<u64> {
    let path = format!("/api/v1/conversations/{conversation}/events?limit=1");
    let request = connection.request(Method::GET, &path, operator, "application/json").body(empty())?;
    number(&connection.json(request, StatusCode::OK).await?, "/last_seq")
}

/// Posts until the time is over. Gives the poster, all it posted, and the milliseconds of those that count.
async fn post(mut poster: Poster, began: Instant) -> Result<(Poster, usize, Vec<f64>)> {
    let path = format!("/api/v1/conversations/{}/messages", poster.conversation);
    let (mut posted, mut times) = (0_usize, Vec::new());
    let end = WARM.saturating_add(MEASURED);
    while began.elapsed() < end {
        let message = json!({
            "client_id": format!("m-{posted}"),
            "text": "Is my order on its way? It was placed on Monday, number 20417, two kettles.",
        });
        let sent = Instant::now();
        let answer = poster.connection.post(&path, &poster.token, &message, StatusCode::ACCEPTED).await?;
        let took = sent.elapsed().as_secs_f64() * 1000.0;
        ensure!(
            answer.get("deduplicated") == Some(&Value::Bool(false)),
            "not stored as a new message: {answer}"
        );
        posted = posted.saturating_add(1);
        let at = began.elapsed();
        if at >= WARM && at < end {
            times.push(took);
        }
    }
    Ok((poster, posted, times))
}

impl Report {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![
            format!(
                "messages stored, conversations in an operator's hands (no turn runs); {} processors for all, load {} before",
                self.machine.processors, self.machine.load_before
            ),
            format!("the disk: {:.0} durable writes/s, one after the other", self.durable_writes_per_second),
            format!(
                "{:>11} {:>9} {:>12} {:>9} {:>9} {:>9} {:>5}",
                "connections", "posts/s", "of the disk", "p50 ms", "p99 ms", "CPU ms", "lost"
            ),
        ];
        lines.extend(self.rows.iter().map(|row| {
            format!(
                "{:>11} {:>9.0} {:>11.2}x {:>9.2} {:>9.2} {:>9.3} {:>5}",
                row.connections,
                row.posts_per_second,
                row.over_durable_writes,
                row.p50_ms,
                row.p99_ms,
                row.server_ms_per_post,
                row.lost
            )
        }));
        lines.join("\n")
    }
}
