//! A closed loop: so many connections, each with one request under way all the time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body_util::Full;
use tokio::task::JoinSet;

use super::process::Listening;
use crate::connection::Connection;
use crate::measures::{as_f64, percentile};

/// What is not counted at the beginning.
const WARM: Duration = Duration::from_millis(300);

/// What is sent, again and again.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The bearer token; empty for none.
    pub token: String,
    /// The status of the answer.
    pub expected: StatusCode,
    /// The body of the `n`-th request of a connection.
    pub body: Rc<dyn Fn(usize) -> Bytes>,
}

/// Somebody who sends, over a connection that is opened for each round: workerd closes those that wait for 5 s.
pub struct Client {
    /// What it sends.
    pub request: Request,
    /// How often it did.
    pub sent: usize,
}

/// One round.
pub struct Round {
    /// Requests per second.
    pub rate: f64,
    /// Milliseconds, sorted.
    pub times: Vec<f64>,
    /// Milliseconds of workerd's processor time for one request.
    pub processor_ms: f64,
}

/// Lets all clients send for `duration`.
pub async fn round(server: &Listening, clients: &mut Vec<Client>, duration: Duration) -> Result<Round> {
    let mut connected = Vec::with_capacity(clients.len());
    for client in clients.drain(..) {
        connected.push((server.connect().await?, client));
    }
    let before = server.processor_time()?;
    let began = Instant::now();
    let mut running = JoinSet::new();
    for (connection, client) in connected {
        running.spawn_local(send(connection, client, began, duration));
    }
    let (mut times, mut all) = (Vec::new(), 0_usize);
    while let Some(ended) = running.join_next().await {
        let (client, sent, measured) = ended??;
        clients.push(client);
        times.extend(measured);
        all = all.saturating_add(sent);
    }
    let spent = server.processor_time()?.saturating_sub(before);
    times.sort_by(f64::total_cmp);
    Ok(Round {
        rate: as_f64(times.len()) / duration.as_secs_f64(),
        processor_ms: spent.as_secs_f64() * 1000.0 / as_f64(all.max(1)),
        times,
    })
}

async fn send(
    mut connection: Connection,
    mut client: Client,
    began: Instant,
    duration: Duration,
) -> Result<(Client, usize, Vec<f64>)> {
    let (mut sent, mut times) = (0_usize, Vec::new());
    let end = WARM.saturating_add(duration);
    while began.elapsed() < end {
        let Request { method, path, token, expected, body } = &client.request;
        let request = connection.request(method.clone(), path, token, "application/json");
        let request = request.body(Full::from(body(client.sent)))?;
        let at = Instant::now();
        connection.answer(request, *expected).await?;
        let took = at.elapsed().as_secs_f64() * 1000.0;
        client.sent = client.sent.saturating_add(1);
        sent = sent.saturating_add(1);
        if at.duration_since(began) >= WARM && began.elapsed() < end {
            times.push(took);
        }
    }
    Ok((client, sent, times))
}

/// The middle of some values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}
