//! What starting costs: processor time of a fresh workerd until it has answered `GET /health/live` once, less that of a
//! workerd with the plain Worker. A runtime that keeps isolates apart pays this for each of them.

use std::time::Instant;

use anyhow::Result;
use http::{Method, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::Stage;
use super::load::median;
use super::process::Listening;

/// Medians over the rounds, in milliseconds.
#[derive(Debug, Serialize)]
pub struct StartUp {
    frontdesk: Started,
    plain: Started,
}

#[derive(Debug, Serialize)]
struct Started {
    /// Processor time, of all threads.
    processor_ms: f64,
    /// The answer to the first request, from the moment that it was sent.
    first_answer_ms: f64,
}

/// Starts each again and again, in turns.
pub async fn run(stage: &Stage, rounds: usize) -> Result<StartUp> {
    let modules = stage.repository.worker();
    let url = &stage.database.server.base_url;
    let (mut frontdesk, mut plain) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        frontdesk
            .push(measure(&stage.frontdesk(&format!("start-{round}"), &modules, url, None).await?).await?);
        plain.push(measure(&stage.plain(&format!("plain-start-{round}")).await?).await?);
    }
    Ok(StartUp { frontdesk: Started::median(&frontdesk), plain: Started::median(&plain) })
}

/// Processor time and the time of the first answer, in milliseconds.
async fn measure(server: &Listening) -> Result<[f64; 2]> {
    let mut connection = server.connect().await?;
    let request = connection.request(Method::GET, "/health/live", "", "application/json");
    let sent = Instant::now();
    connection.answer(request.body(Full::default())?, StatusCode::OK).await?;
    let answered = sent.elapsed();
    Ok([server.processor_time()?, answered].map(|time| time.as_secs_f64() * 1000.0))
}

impl Started {
    fn median(rounds: &[[f64; 2]]) -> Self {
        let (processor, answers) = rounds.iter().map(|[processor, answer]| (*processor, *answer)).unzip();
        Self { processor_ms: median(processor), first_answer_ms: median(answers) }
    }
}

impl StartUp {
    /// For a person.
    pub fn table(&self) -> String {
        let Self { frontdesk, plain } = self;
        format!(
            "\nstart-up, ms            processor time   first answer\nFrontdesk            {:>17.0} {:>14.1}\nplain                {:>17.0} {:>14.1}\nmore than plain      {:>17.0} {:>14.1}",
            frontdesk.processor_ms,
            frontdesk.first_answer_ms,
            plain.processor_ms,
            plain.first_answer_ms,
            frontdesk.processor_ms - plain.processor_ms,
            frontdesk.first_answer_ms - plain.first_answer_ms,
        )
    }
}
