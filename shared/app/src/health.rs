//! How this deployment is, as its visitors meet it: each question does what they need done, with a deadline.
//!
//! How real calls went within the last minutes counts first; a service is asked when nothing is known. A result is good for
//! 2 s, and while one request asks, the others get what is known: these pages are public, and must not turn a flood of
//! requests into a flood of calls to a database or a provider.

mod calls;

pub use calls::try_model;

use std::pin::pin;
use std::time::Duration;

use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{CachedProbe, CallOutcome, Ctx, DbError, SchemaState};
use futures_util::future::{Either, join_all, select};
use serde::Serialize;

use crate::{jobs, schema, store};

/// The writes to conversations, among the outcomes that are remembered.
pub(crate) const WRITES: &str = "writes";
/// So many failed writes in a row are no accident; so many that went well end the worry.
const MANY: usize = 3;
/// How long a service has to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a result is good for.
const FRESH: Duration = Duration::from_secs(2);
/// After this, a request that went to ask is given up.
const GIVEN_UP: Duration = Duration::from_secs(5);
/// A job that is due so long says that jobs are not worked on.
const JOB_LATE: Duration = Duration::from_secs(300);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It answers.
    Ok,
    /// It works, but not as it should; or something that visitors can do without does not work.
    Degraded,
    /// It does not work.
    Down,
    /// It is not configured.
    Off,
}

impl HealthStatus {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Off => "off",
        }
    }

    fn from_name(name: &str) -> Self {
        [Self::Ok, Self::Down, Self::Off]
            .into_iter()
            .find(|status| status.name() == name)
            .unwrap_or(Self::Degraded)
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The database.
    Database,
    /// Vector search.
    Vector,
    /// The model's endpoint.
    Ai,
    /// Background jobs.
    Queue,
    /// Loops and tasks of this process.
    Tasks,
}

/// In the order of [`Services`].
const ALL: [Service; 5] = [Service::Database, Service::Vector, Service::Ai, Service::Queue, Service::Tasks];

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Vector => "vector",
            Self::Ai => "ai",
            Self::Queue => "queue",
            Self::Tasks => "tasks",
        }
    }
}

/// How one service is. Tells no address, key or error text of a third party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// In words.
    pub detail: String,
}

/// How everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Services {
    /// `down` when visitors cannot write: without a database that can be written and has this version's schema. `degraded`
    /// when they are served less well: without the model, say, whose place quotes from the documents take.
    pub status: HealthStatus,
    /// The version of Frontdesk.
    pub version: &'static str,
    /// The database.
    pub database: Health,
    /// Vector search.
    pub vector: Health,
    /// The model's endpoint.
    pub ai: Health,
    /// Background jobs: documents that are read, and the like.
    pub queue: Health,
    /// Loops and tasks of the process that answers.
    pub tasks: Health,
}

/// Asks everything at once.
pub async fn all(ctx: &Ctx) -> Services {
    let mut found = join_all(ALL.map(|service| probe(ctx, service))).await.into_iter();
    let mut next = || found.next().unwrap_or_else(|| health(HealthStatus::Degraded, 0, "not asked"));
    let (database, vector, ai, queue, tasks) = (next(), next(), next(), next(), next());
    let fine = |health: &Health| matches!(health.status, HealthStatus::Ok | HealthStatus::Off);
    let status = if database.status == HealthStatus::Down {
        HealthStatus::Down
    } else if [&database, &vector, &ai, &queue, &tasks].into_iter().all(fine) {
        HealthStatus::Ok
    } else {
        HealthStatus::Degraded
    };
    Services { status, version: ctx.config.version, database, vector, ai, queue, tasks }
}

/// Asks one service, unless it was asked within 2 s or is being asked.
pub async fn probe(ctx: &Ctx, service: Service) -> Health {
    let started = ctx.clock.now();
    if let Some(known) = known(ctx, service, started) {
        return known;
    }
    let (status, detail) = match select(pin!(ask(ctx, service)), ctx.clock.sleep(DEADLINE)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => (late(service), "no answer within 2 s".to_owned()),
    };
    let latency_ms = u64::try_from(ctx.clock.now().since(started).as_millis()).unwrap_or(u64::MAX);
    ctx.caches.health.borrow_mut().insert(
        service.name(),
        CachedProbe {
            status: Some(status.name()),
            latency_ms,
            detail: detail.clone(),
            at: started,
            running: None,
        },
    );
    health(status, latency_ms, &detail)
}

/// What is known already; otherwise marks that this caller goes to ask.
fn known(ctx: &Ctx, service: Service, now: Timestamp) -> Option<Health> {
    let mut all = ctx.caches.health.borrow_mut();
    let entry = all.entry(service.name()).or_insert_with(|| CachedProbe {
        status: None,
        latency_ms: 0,
        detail: "the first check is under way".to_owned(),
        at: Timestamp::default(),
        running: None,
    });
    let within = |since: Timestamp, limit: Duration| since <= now && now.since(since) < limit;
    let fresh = entry.status.is_some() && within(entry.at, FRESH);
    let underway = entry.running.is_some_and(|since| within(since, GIVEN_UP));
    if fresh || underway {
        let status = entry.status.map_or(HealthStatus::Degraded, HealthStatus::from_name);
        return Some(health(status, entry.latency_ms, &entry.detail));
    }
    entry.running = Some(now);
    None
}

fn health(status: HealthStatus, latency_ms: u64, detail: &str) -> Health {
    Health { status, latency_ms, detail: detail.to_owned() }
}

/// What it means that a service did not answer in time. The queue is a question to the database, which says so itself.
const fn late(service: Service) -> HealthStatus {
    match service {
        Service::Database | Service::Vector | Service::Ai => HealthStatus::Down,
        Service::Queue | Service::Tasks => HealthStatus::Degraded,
    }
}

async fn ask(ctx: &Ctx, service: Service) -> (HealthStatus, String) {
    match service {
        Service::Database => database(ctx).await,
        Service::Vector => calls::vectors(ctx).await,
        Service::Ai => calls::model(ctx).await,
        Service::Queue => queue(ctx).await,
        Service::Tasks => tasks(ctx),
    }
}

/// Writes and reads, as a visitor's message does; its schema is known from before or asked once.
async fn database(ctx: &Ctx) -> (HealthStatus, String) {
    let now = ctx.clock.now();
    if let Err(error) = ctx.db.batch(store::probe::works(now).to_vec()).await {
        tracing::warn!(%error, "health: database");
        let detail = match error {
            DbError::Schema(_) => "has not the tables of this version; run `frontdesk migrate up`",
            DbError::Conflict(_) | DbError::Other(_) => "answers, but cannot be written",
            DbError::Retryable(_) => "does not answer, or cannot be written",
        };
        return (HealthStatus::Down, detail.to_owned());
    }
    match schema::compared(ctx).await {
        SchemaState::Wrong(reason) => (HealthStatus::Down, format!("answers, but cannot be used: {reason}")),
        SchemaState::Right | SchemaState::Unreachable => writes(ctx),
    }
}

/// What conversations met when they were written to lately.
fn writes(ctx: &Ctx) -> (HealthStatus, String) {
    let recent = ctx.caches.outcomes.recent(WRITES, ctx.clock.now());
    let failed = recent.iter().filter(|(_, outcome)| *outcome != CallOutcome::Ok).count();
    let all = recent.len();
    let at_the_end = |good: bool| {
        recent.iter().rev().take_while(|(_, outcome)| (*outcome == CallOutcome::Ok) == good).count()
    };
    let detail = format!("answers; {failed} of the last {all} writes to conversations failed");
    if at_the_end(false) >= MANY {
        (HealthStatus::Down, detail)
    } else if failed > 0 && at_the_end(true) < MANY {
        (HealthStatus::Degraded, detail)
    } else {
        (HealthStatus::Ok, "answers".to_owned())
    }
}

async fn queue(ctx: &Ctx) -> (HealthStatus, String) {
    let depth = match jobs::depth(ctx).await {
        Ok(depth) => depth,
        Err(error) => {
            tracing::warn!(%error, "health: queue");
            return (HealthStatus::Degraded, "cannot be read".to_owned());
        }
    };
    let late = depth.oldest_due.map(|due| ctx.clock.now().since(due)).filter(|late| *late > JOB_LATE);
    match late {
        Some(late) => {
            let minutes = late.as_secs() / 60;
            (
                HealthStatus::Degraded,
                format!("a job has waited for {minutes} minutes; documents are not read"),
            )
        }
        None => (HealthStatus::Ok, "jobs are worked on".to_owned()),
    }
}

fn tasks(ctx: &Ctx) -> (HealthStatus, String) {
    let troubles = ctx.metrics.supervision.troubles(ctx.clock.now());
    if troubles.is_empty() {
        return (HealthStatus::Ok, "run".to_owned());
    }
    let told = troubles.iter().map(|trouble| {
        let rests = if trouble.resting { " and waits until it begins again" } else { "" };
        format!("{} died {} times within 10 minutes{rests}", trouble.name, trouble.deaths)
    });
    let told = told.collect::<Vec<_>>().join("; ");
    (HealthStatus::Degraded, format!("{told}; the cause is in the log"))
}
