//! Messages posted to one conversation that many sockets listen to.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::HeaderValue;
use http_body_util::Full;
use serde::Serialize;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::load::{Client, Request, median};
use super::process::Listening;
use crate::connection::DEADLINE;
use crate::measures::{as_f64, percentile};

/// One that takes part; the first is compared with the others.
pub struct Entrant<'a> {
    /// Its name.
    pub name: &'static str,
    /// Where it runs.
    pub server: &'a Listening,
    /// Who posts.
    pub poster: Client,
    /// Where its sockets are.
    pub socket: Socket,
}

/// Where a socket is, and who opens it.
#[derive(Clone)]
pub struct Socket {
    /// The path.
    pub path: String,
    /// The visitor's token; without one no subprotocol is offered.
    pub token: Option<String>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct FanOut {
    sockets: usize,
    rows: Vec<Row>,
}

/// Medians over the rounds.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    /// Frames that arrived per second, one message under way at a time.
    deliveries_per_second: f64,
    /// From a post to its frame at the last socket, in milliseconds.
    p50_ms: f64,
    p99_ms: f64,
    /// Microseconds of workerd's processor time for one delivery.
    processor_us: f64,
    /// Deliveries per second of the first over those of this one.
    rate_ratio: f64,
    /// Processor time of this one over that of the first: above 1 the first is cheaper.
    processor_ratio: f64,
}

struct Round {
    rate: f64,
    times: Vec<f64>,
    processor_us: f64,
}

/// Runs it.
pub async fn run(
    mut entrants: Vec<Entrant<'_>>,
    sockets: usize,
    rounds: usize,
    duration: Duration,
) -> Result<FanOut> {
    let mut listening = Vec::new();
    for entrant in &entrants {
        listening.push(Listeners::open(entrant.server, &entrant.socket, sockets).await?);
    }
    let mut results: Vec<Vec<Round>> = entrants.iter().map(|_| Vec::new()).collect();
    for number in 0..rounds {
        for step in 0..entrants.len() {
            let at = number.wrapping_add(step).checked_rem(entrants.len()).unwrap_or_default();
            if let (Some(entrant), Some(listeners), Some(results)) =
                (entrants.get_mut(at), listening.get(at), results.get_mut(at))
            {
                let measured = round(entrant, listeners, duration).await;
                results.push(measured.with_context(|| entrant.name)?);
            }
        }
    }
    let first = results.first().map(Vec::as_slice).unwrap_or_default();
    let rows = entrants.iter().zip(&results).map(|(entrant, rounds)| {
        let of = |value: &dyn Fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let beside = |value: &dyn Fn(&Round, &Round) -> f64| {
            median(first.iter().zip(rounds).map(|(first, this)| value(first, this)).collect())
        };
        Row {
            name: entrant.name,
            deliveries_per_second: of(&|round| round.rate),
            p50_ms: of(&|round| percentile(&round.times, 0.5)),
            p99_ms: of(&|round| percentile(&round.times, 0.99)),
            processor_us: of(&|round| round.processor_us),
            rate_ratio: beside(&|first, this| first.rate / this.rate),
            processor_ratio: beside(&|first, this| this.processor_us / first.processor_us),
        }
    });
    Ok(FanOut { sockets, rows: rows.collect() })
}

async fn round(entrant: &mut Entrant<'_>, listeners: &Listeners, duration: Duration) -> Result<Round> {
    let mut connection = entrant.server.connect().await?;
    let before = entrant.server.processor_time()?;
    let (began, had) = (Instant::now(), listeners.arrived.get());
    let mut times = Vec::new();
    while began.elapsed() < duration {
        let Client { request: Request { method, path, token, expected, body }, sent } = &mut entrant.poster;
        let request = connection.request(method.clone(), path, token, "application/json");
        let request = request.body(Full::<Bytes>::from(body(*sent)))?;
        *sent = sent.saturating_add(1);
        let wanted = listeners.arrived.get().saturating_add(listeners.sockets);
        let at = Instant::now();
        connection.answer(request, *expected).await?;
        listeners.until(wanted).await?;
        times.push(at.elapsed().as_secs_f64() * 1000.0);
    }
    let took = began.elapsed();
    let arrived = as_f64(listeners.arrived.get().saturating_sub(had));
    let spent = entrant.server.processor_time()?.saturating_sub(before);
    times.sort_by(f64::total_cmp);
    Ok(Round {
        rate: arrived / took.as_secs_f64(),
        processor_us: spent.as_secs_f64() * 1_000_000.0 / arrived.max(1.0),
        times,
    })
}

/// Sockets that count the messages they hear.
struct Listeners {
    sockets: usize,
    arrived: Rc<Cell<usize>>,
    more: Rc<Notify>,
    /// Closes them when dropped.
    reading: JoinSet<()>,
}

impl Listeners {
    async fn open(server: &Listening, socket: &Socket, sockets: usize) -> Result<Self> {
        let mut listeners =
            Self { sockets, arrived: Rc::default(), more: Rc::default(), reading: JoinSet::new() };
        let authority = server.base_url.trim_start_matches("http://");
        for _ in 0..sockets {
            let mut request = format!("ws://{authority}{}", socket.path).into_client_request()?;
            if let Some(token) = &socket.token {
                let offered = HeaderValue::from_str(&format!("frontdesk.v1, fd.{token}"))?;
                request.headers_mut().insert("sec-websocket-protocol", offered);
            }
            let stream = TcpStream::connect(authority).await?;
            stream.set_nodelay(true)?;
            let (mut stream, _) = client_async(request, stream).await.context("a socket")?;
            stream.send(Message::text(r#"{"t":"hello","after":0}"#)).await?;
            loop {
                match stream.next().await {
                    Some(Ok(Message::Text(text))) if text.contains(r#""t":"welcome""#) => break,
                    Some(Ok(_)) => {}
                    other => bail!("no welcome: {other:?}"),
                }
            }
            let (arrived, more) = (listeners.arrived.clone(), listeners.more.clone());
            listeners.reading.spawn_local(async move {
                while let Some(Ok(frame)) = stream.next().await {
                    if let Message::Text(text) = frame
                        && text.contains(r#""kind":"message.created""#)
                    {
                        arrived.set(arrived.get().saturating_add(1));
                        more.notify_one();
                    }
                }
            });
        }
        Ok(listeners)
    }

    /// Waits until so many messages have arrived, all sockets together.
    async fn until(&self, wanted: usize) -> Result<()> {
        let waiting = async {
            while self.arrived.get() < wanted {
                self.more.notified().await;
            }
        };
        let ended = tokio::time::timeout(DEADLINE, waiting).await;
        ensure!(ended.is_ok(), "{} deliveries are missing", wanted.saturating_sub(self.arrived.get()));
        Ok(())
    }
}

impl FanOut {
    /// For a person.
    pub fn table(&self) -> String {
        let mut lines = vec![format!(
            "\nfan-out to {} sockets of one conversation\n{:<12} {:>13} {:>9} {:>9} {:>9} {:>10} {:>12}",
            self.sockets, "", "deliveries/s", "p50 ms", "p99 ms", "CPU us", "rate", "CPU"
        )];
        lines.extend(self.rows.iter().map(|row| {
            format!(
                "{:<12} {:>13.0} {:>9.2} {:>9.2} {:>9.1} {:>9.2}x {:>11.2}x",
                row.name,
                row.deliveries_per_second,
                row.p50_ms,
                row.p99_ms,
                row.processor_us,
                row.rate_ratio,
                row.processor_ratio
            )
        }));
        lines.join("\n")
    }
}
