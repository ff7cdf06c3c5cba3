//! How this deployment is: small questions to what it depends on, each with a deadline.
//!
//! A result is good for 2 s, and nobody asks while somebody else is asking: these pages are public, and must not turn a
//! flood of requests into a flood of calls to a database or a provider.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{CachedProbe, Ctx, Egress, FetchLimits, SchemaState};
use futures_util::future::{Either, join_all, select};
use http::{Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::{schema, store};

/// How long a service has to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long a result is good for.
const FRESH: Duration = Duration::from_secs(2);
/// After this, somebody who went to ask is given up.
const GIVEN_UP: Duration = Duration::from_secs(5);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
// The API's description has another `Status`, of conversations.
#[schema(as = HealthStatus)]
pub enum Status {
    /// It answers.
    Ok,
    /// It answers, but not as it should; or something that visitors can do without does not answer.
    Degraded,
    /// It does not answer.
    Down,
    /// It is not configured.
    Off,
}

impl Status {
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
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Vector => "vector",
            Self::Ai => "ai",
        }
    }
}

/// How one service is. Tells no address, key or error text of a third party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// In a word.
    pub status: Status,
    /// How long the answer took, in milliseconds.
    pub latency_ms: u64,
    /// In words.
    pub detail: String,
}

/// How everything is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Services {
    /// `down` without the database, `degraded` when something else is missing.
    pub status: Status,
    /// The version of Frontdesk.
    pub version: &'static str,
    /// The database.
    pub database: Health,
    /// Vector search.
    pub vector: Health,
    /// The model's endpoint.
    pub ai: Health,
}

/// Asks everything at once.
pub async fn all(ctx: &Ctx) -> Services {
    let mut found =
        join_all([Service::Database, Service::Vector, Service::Ai].map(|service| probe(ctx, service)))
            .await
            .into_iter();
    let mut next = || found.next().unwrap_or_else(|| health(Status::Degraded, 0, "not asked"));
    let (database, vector, ai) = (next(), next(), next());
    let fine = |health: &Health| matches!(health.status, Status::Ok | Status::Off);
    let status = if database.status == Status::Down {
        Status::Down
    } else if fine(&database) && fine(&vector) && fine(&ai) {
        Status::Ok
    } else {
        Status::Degraded
    };
    Services { status, version: ctx.config.version, database, vector, ai }
}

/// Asks one service, unless it was asked within 2 s or is being asked.
pub async fn probe(ctx: &Ctx, service: Service) -> Health {
    let started = ctx.clock.now();
    if let Some(known) = known(ctx, service, started) {
        return known;
    }
    let (mut status, detail) = match select(pin!(ask(ctx, service)), ctx.clock.sleep(DEADLINE)).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => (Status::Down, "no answer within 2 s"),
    };
    let mut detail = detail.to_owned();
    // Asked apart, at most once while the answer is yes.
    if service == Service::Database
        && status == Status::Ok
        && let SchemaState::Wrong(reason) = schema::state(ctx).await
    {
        status = Status::Down;
        detail = format!("answers, but cannot be used: {reason}");
    }
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
        let status = entry.status.map_or(Status::Degraded, Status::from_name);
        return Some(health(status, entry.latency_ms, &entry.detail));
    }
    entry.running = Some(now);
    None
}

fn health(status: Status, latency_ms: u64, detail: &str) -> Health {
    Health { status, latency_ms, detail: detail.to_owned() }
}

async fn ask(ctx: &Ctx, service: Service) -> (Status, &'static str) {
    match service {
        Service::Database => match ctx.db.query(vec![store::probe::answers()]).await {
            Ok(_) => (Status::Ok, "answers"),
            Err(error) => {
                tracing::warn!(%error, "health: database");
                (Status::Down, "does not answer")
            }
        },
        Service::Vector => {
            if ctx.config.model.as_ref().is_none_or(|model| model.embedding_model.is_none()) {
                return (Status::Off, "no embedding model is configured; search is by words");
            }
            match ctx.vectors.probe().await {
                Ok(()) => (Status::Ok, "answers"),
                Err(error) => {
                    tracing::warn!(%error, "health: vectors");
                    (Status::Down, "does not answer; search is by words")
                }
            }
        }
        Service::Ai => ask_model(ctx).await,
    }
}

/// Lists the models: the one question to a provider that costs nothing.
async fn ask_model(ctx: &Ctx) -> (Status, &'static str) {
    let Some(model) = &ctx.config.model else {
        return (Status::Off, "no model is configured; answers are quotes from the documents");
    };
    let mut request = Request::builder().method(Method::GET).uri(format!("{}/models", model.base_url));
    if let Some(key) = &model.api_key {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", key.expose_secret()));
    }
    let Ok(request) = request.body(Bytes::new()) else {
        return (Status::Down, "the base URL is not usable");
    };
    let limits = FetchLimits {
        connect: DEADLINE,
        head: DEADLINE,
        gap: DEADLINE,
        total: DEADLINE,
        max_bytes: 1024 * 1024,
        egress: Egress::Configured,
    };
    match ctx.http.send(request, limits).await {
        Ok(response) if response.status().is_success() => (Status::Ok, "answers"),
        Ok(response) => match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (Status::Down, "refuses the key"),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                (Status::Ok, "answers; does not list its models")
            }
            StatusCode::TOO_MANY_REQUESTS => (Status::Degraded, "asks to slow down"),
            _ => (Status::Down, "answers with an error"),
        },
        Err(error) => {
            tracing::warn!(%error, "health: model");
            (Status::Down, "does not answer")
        }
    }
}
