//! `bench turn`: what Frontdesk adds to a model's stream.
//!
//! The same requests, byte for byte, are put to the stand-in model directly and through Frontdesk, in alternating rounds of
//! one run. The stand-in's timing is fixed, so what differs is Frontdesk.

pub mod listen;
mod model;

mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Args;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::connection::{Connection, DEADLINE};
use crate::process;
use crate::server::{self, Server};
use listen::Heard;
pub use model::Model;
pub use report::Report;
use report::{Row, row};

/// What visitors ask; the demo documents answer all of it.
pub const QUESTIONS: [&str; 4] = [
    "How much is delivery in Moscow?",
    "Возврат товара: в течение скольких дней можно вернуть?",
    "What is the warranty on kettles?",
    "Сколько стоит доставка?",
];
/// How long the stand-in takes for an answer: 200 ms, then 60 tokens at 50 per second.
const ANSWER: Duration = Duration::from_millis(1400);

/// How to measure turns.
#[derive(Args)]
pub struct Options {
    /// How many streams at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 50, 200],
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    pub streams: Vec<usize>,
    /// How many rounds of each kind; more take longer and say more.
    #[arg(long, default_value_t = 2, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=50))]
    pub rounds: usize,
    /// One JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { streams: vec![1, 50, 200], rounds: 2, json: false }
    }
}

/// How the streams begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// Evenly over the length of an answer, each asking again when it is answered: so many visitors being answered.
    Spread,
    /// All in the same instant: the worst a crowd can do.
    Together,
}

/// What is measured against what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    Frontdesk,
}

/// Everything that runs.
struct Bench {
    server: Server,
    model: Model,
    /// What Frontdesk sends to the model for each question.
    requests: Arc<Vec<Bytes>>,
    /// One undisturbed turn for each question.
    alone: Vec<Heard>,
}

/// The results of one way over all rounds.
#[derive(Default)]
pub struct Measured {
    heard: Vec<Heard>,
    errors: Vec<String>,
    server_time: Duration,
    own_time: Duration,
    took: Duration,
}

/// Measures turns.
///
/// # Errors
/// When a program does not start, or the demo documents do not answer the questions.
pub async fn run(options: &Options) -> Result<Report> {
    let machine = process::machine();
    let directory = tempfile::tempdir()?;
    let model = Model::start()?;
    let server = Server::start(directory.path(), Some(&model.base_url), true).await?;
    let bench = Bench::warm(server, model).await?;
    let mut rows = Vec::new();
    for streams in &options.streams {
        rows.extend(bench.measure(*streams, options.rounds).await?);
    }
    let Bench { server, .. } = bench;
    server.stop()?;
    Ok(Report { machine, rows })
}

impl Bench {
    /// Asks each question once, so that nothing is done for the first time later, and keeps what the model was sent.
    async fn warm(server: Server, model: Model) -> Result<Self> {
        let (mut requests, mut alone) = (Vec::new(), Vec::new());
        let mut connection = server.connect().await?;
        for (number, question) in QUESTIONS.iter().enumerate() {
            let visitor = server.visitor(&mut connection).await?;
            let conversation = server::conversation(&mut connection, &visitor).await?;
            let turn = listen::turn(&mut connection, &visitor.token, &conversation, "1", question);
            let mut heard = tokio::time::timeout(DEADLINE, turn)
                .await?
                .with_context(|| format!("asking {question:?}"))?;
            heard.question = number;
            let request =
                model.last_request().with_context(|| format!("the model was not asked {question:?}"))?;
            let mut direct = Connection::open(&model.base_url).await?;
            let without = tokio::time::timeout(DEADLINE, listen::model(&mut direct, &request)).await??;
            ensure!(heard.text == without.text, "{:?} became {:?} on its way", without.text, heard.text);
            requests.push(request);
            alone.push(heard);
        }
        Ok(Self { server, model, requests: Arc::new(requests), alone })
    }

    /// All rounds for a number of streams. A round is direct and through Frontdesk; which comes first alternates.
    async fn measure(&self, streams: usize, rounds: usize) -> Result<Vec<Row>> {
        // One stream gives one sample a turn: more turns, and the two arrivals are the same.
        let plans: &[(Arrival, usize)] = if streams == 1 {
            &[(Arrival::Together, 3)]
        } else {
            &[(Arrival::Spread, 2), (Arrival::Together, 1)]
        };
        let mut rows = Vec::new();
        for (arrival, turns) in plans {
            let (mut direct, mut frontdesk) = (Measured::default(), Measured::default());
            for round in 0..rounds {
                let order = if round % 2 == 0 {
                    [Way::Direct, Way::Frontdesk]
                } else {
                    [Way::Frontdesk, Way::Direct]
                };
                for way in order {
                    let into = if way == Way::Direct { &mut direct } else { &mut frontdesk };
                    self.phase(way, streams, *arrival, *turns, into).await?;
                }
            }
            rows.push(row(streams, *arrival, &self.alone, &direct, &frontdesk));
        }
        Ok(rows)
    }

    async fn phase(
        &self,
        way: Way,
        streams: usize,
        arrival: Arrival,
        turns: usize,
        into: &mut Measured,
    ) -> Result<()> {
        let mut clients = Vec::with_capacity(streams);
        let mut preparing = self.server.connect().await?;
        for number in 0..streams {
            let mut asks = Vec::with_capacity(turns);
            let visitor = match way {
                Way::Direct => None,
                Way::Frontdesk => Some(self.server.visitor(&mut preparing).await?),
            };
            for turn in 0..turns {
                let question = number.wrapping_add(turn).checked_rem(QUESTIONS.len()).unwrap_or_default();
                asks.push(match &visitor {
                    None => Ask::Model {
                        question,
                        request: self.requests.get(question).cloned().unwrap_or_default(),
                    },
                    Some(visitor) => Ask::Frontdesk {
                        question,
                        token: visitor.token.clone(),
                        conversation: server::conversation(&mut preparing, visitor).await?,
                    },
                });
            }
            clients.push(asks);
        }
        let base_url = if way == Way::Direct { &self.model.base_url } else { self.server.base_url() };
        let mut connected = Vec::with_capacity(streams);
        for asks in clients {
            connected.push((Connection::open(base_url).await?, asks));
        }
        let (server_time, own_time) =
            (self.server.processor_time()?, process::processor_time(std::process::id())?);
        let began = Instant::now();
        let mut running = JoinSet::new();
        for (number, (connection, asks)) in connected.into_iter().enumerate() {
            let wait = match arrival {
                Arrival::Together => Duration::ZERO,
                Arrival::Spread => share(ANSWER, number, streams),
            };
            running.spawn(client(connection, asks, began.checked_add(wait).unwrap_or(began)));
        }
        while let Some(ended) = running.join_next().await {
            for heard in ended? {
                match heard {
                    Ok(heard) => into.heard.push(heard),
                    Err(error) => into.errors.push(format!("{error:#}")),
                }
            }
        }
        into.took = into.took.saturating_add(began.elapsed());
        let spent = |now: Duration, before: Duration| now.saturating_sub(before);
        into.server_time = into.server_time.saturating_add(spent(self.server.processor_time()?, server_time));
        into.own_time =
            into.own_time.saturating_add(spent(process::processor_time(std::process::id())?, own_time));
        Ok(())
    }
}

/// The part `number` of `of` parts.
fn share(whole: Duration, number: usize, of: usize) -> Duration {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    whole.saturating_mul(number).checked_div(u32::try_from(of).unwrap_or(1)).unwrap_or_default()
}

/// One thing to ask.
enum Ask {
    Model { question: usize, request: Bytes },
    Frontdesk { question: usize, token: String, conversation: String },
}

/// Asks one after the other.
async fn client(mut connection: Connection, asks: Vec<Ask>, begin: Instant) -> Vec<Result<Heard>> {
    tokio::time::sleep_until(begin).await;
    let mut all = Vec::with_capacity(asks.len());
    for ask in asks {
        let asked = async {
            let (question, heard) = match &ask {
                Ask::Model { question, request } => {
                    (*question, listen::model(&mut connection, request).await?)
                }
                Ask::Frontdesk { question, token, conversation } => {
                    let text = QUESTIONS.get(*question).copied().unwrap_or_default();
                    (*question, listen::turn(&mut connection, token, conversation, "1", text).await?)
                }
            };
            Ok(Heard { question, ..heard })
        };
        all.push(match tokio::time::timeout(DEADLINE, asked).await {
            Ok(heard) => heard,
            Err(_) => Err(anyhow::anyhow!("no end within {} s", DEADLINE.as_secs())),
        });
    }
    all
}
