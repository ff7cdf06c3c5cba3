//! What is to come (the script), what was asked, and what is going on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use super::behaviour::{Behaviour, Endpoint};

/// So many requests are remembered.
pub const MAX_REQUESTS: usize = 256;

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It has not.
    Open,
    /// All of it was sent.
    Sent,
    /// The client went away before.
    Gone,
    /// It was cut off as the behaviour said.
    Cut,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// Its number, from 1.
    pub n: u64,
    /// Its path.
    pub path: String,
    /// Whether it came with a key.
    pub with_key: bool,
    /// What it asked; `null` when that was no JSON.
    pub body: Value,
    /// The status of the response.
    pub status: u16,
    /// How the response ended.
    pub ending: Ending,
}

/// What is and was going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that were made.
    pub connections: u64,
    /// Connections that are open.
    pub open_connections: u64,
    /// Requests that came.
    pub requests: u64,
    /// Streamed answers under way.
    pub in_flight: u64,
    /// The most there were at once.
    pub most_in_flight: u64,
    /// Streamed answers whose client went away.
    pub gone: u64,
}

#[derive(Debug, Default)]
struct Memory {
    script: VecDeque<Behaviour>,
    behaviour: Option<Behaviour>,
    requests: VecDeque<Recorded>,
}

/// Everything the server remembers.
#[derive(Debug)]
pub(super) struct Record {
    memory: Mutex<Memory>,
    counts: watch::Sender<Counts>,
    /// One permit for each answer that may go on.
    released: Semaphore,
}

impl Default for Record {
    fn default() -> Self {
        Self { memory: Mutex::default(), counts: watch::Sender::default(), released: Semaphore::new(0) }
    }
}

impl Record {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn script(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.memory().script.extend(behaviours);
    }

    /// The next behaviour of the script for such a request.
    pub(super) fn next(&self, endpoint: Endpoint) -> Option<Behaviour> {
        let mut memory = self.memory();
        let fits = |behaviour: &Behaviour| behaviour.on == Endpoint::Any || behaviour.on == endpoint;
        let position = memory.script.iter().position(fits)?;
        memory.script.remove(position)
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.memory().behaviour = Some(behaviour);
    }

    /// What was said for requests without a behaviour of their own.
    pub(super) fn behaviour(&self) -> Option<Behaviour> {
        self.memory().behaviour.clone()
    }

    pub(super) fn release(&self, answers: usize) {
        self.released.add_permits(answers.min(MAX_REQUESTS));
    }

    /// Waits for the release of one answer.
    pub(super) async fn held(&self) {
        // It fails only when it is closed, which it never is.
        if let Ok(permit) = self.released.acquire().await {
            permit.forget();
        }
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.memory().requests.iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(super) async fn until(&self, condition: impl FnMut(&Counts) -> bool) {
        // It fails only when the sender is gone, and that is in `self`.
        let _ = self.counts.subscribe().wait_for(condition).await;
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }

    pub(super) fn reset(&self) {
        *self.memory() = Memory::default();
        self.released.forget_permits(self.released.available_permits());
        self.count(|counts| {
            let Counts { open_connections, in_flight, .. } = *counts;
            *counts = Counts { open_connections, in_flight, most_in_flight: in_flight, ..Counts::default() };
        });
    }

    /// Remembers a request and gives its number.
    pub(super) fn asked(&self, path: &str, with_key: bool, body: Value) -> u64 {
        let mut n = 0;
        self.count(|counts| {
            counts.requests = counts.requests.saturating_add(1);
            n = counts.requests;
        });
        let mut memory = self.memory();
        if memory.requests.len() >= MAX_REQUESTS {
            memory.requests.pop_front();
        }
        memory.requests.push_back(Recorded {
            n,
            path: path.to_owned(),
            with_key,
            body,
            status: 0,
            ending: Ending::Open,
        });
        n
    }

    pub(super) fn answered(&self, n: u64, status: u16, ending: Ending) {
        if let Some(request) = self.memory().requests.iter_mut().rev().find(|request| request.n == n) {
            request.status = status;
            request.ending = ending;
        }
    }
}

/// Counts a streamed answer as under way until it is dropped.
pub(super) struct InFlight {
    record: Arc<Record>,
    n: u64,
    ending: Ending,
}

impl InFlight {
    pub(super) fn new(record: Arc<Record>, n: u64) -> Self {
        record.answered(n, 200, Ending::Open);
        record.count(|counts| {
            counts.in_flight = counts.in_flight.saturating_add(1);
            counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        });
        Self { record, n, ending: Ending::Gone }
    }

    /// Waits for the release of one answer.
    pub(super) async fn held(&self) {
        self.record.held().await;
    }

    /// It ended otherwise than by its client going away.
    pub(super) fn end(&mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.record.answered(self.n, 200, self.ending);
        self.record.count(|counts| {
            counts.in_flight = counts.in_flight.saturating_sub(1);
            counts.gone = counts.gone.saturating_add(u64::from(self.ending == Ending::Gone));
        });
    }
}
