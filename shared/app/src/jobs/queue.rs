//! What goes into the queue, what was given up in it, and how full it is.

use std::time::Duration;

use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::JobId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError, QueueDepth, Row, Rows};

use super::kind::{Ended, Failure, Kind, SCHEDULED};
use crate::store;
use crate::store::jobs::{Claimed, DeadJob, NewRow, Owner};

/// How many jobs of one kind may be open for one organisation.
pub const MAX_WAITING: u32 = 1000;
/// How many dead letters are kept for one organisation: the newest.
pub const MAX_DEAD: u32 = 100;
/// How long a dead letter is kept.
pub const KEEP_DEAD: Duration = Duration::from_secs(30 * 24 * 3600);
/// After this, an organisation without jobs has waited as long as one that never had any.
const TURN_FORGOTTEN: Duration = Duration::from_secs(24 * 3600);
/// How many dead letters one step takes away.
const CLEAN_UP_SLICE: u32 = 500;
/// The longest subject and key, in bytes.
const MAX_NAME_BYTES: usize = 256;
/// The longest payload, in bytes.
const MAX_PAYLOAD_BYTES: usize = 64 * 1024;
/// When a queue that is full may have room again.
const FULL_RETRY: Duration = Duration::from_secs(30);

/// A job to be done.
pub struct NewJob<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// What it is about: an id, say. At most 256 bytes.
    pub subject: &'a str,
    /// Where it begins, as JSON. At most 64 KiB.
    pub payload: &'a str,
    /// Higher ones first, among the jobs of the same organisation; 0 is usual.
    pub priority: i8,
    /// While a job with this key is open, another one of the same organisation and kind is not made. At most 256 bytes.
    pub key: Option<&'a str>,
    /// Not before; `None` is at once.
    pub run_after: Option<Timestamp>,
    /// How long after its end it begins again, with the payload `{}`. It is never given up for good.
    pub every: Option<Duration>,
}

impl NewJob<'_> {
    /// A job that is due at once, and once.
    #[must_use]
    pub const fn new(kind: &'static Kind) -> Self {
        Self { kind, subject: "", payload: "{}", priority: 0, key: None, run_after: None, every: None }
    }
}

/// What enqueueing gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// The job that is open now.
    pub id: JobId,
    /// Whether a job with the same key was open already: then it is that one.
    pub known: bool,
}

/// Puts a job of the organisation into the queue.
///
/// # Errors
/// 503 when too many of its kind are open already; a defect when something in it is too long.
pub async fn enqueue(ctx: &Ctx, scope: &TenantScope, new: &NewJob<'_>) -> Result<Enqueued> {
    insert(ctx, Owner::of(scope), new).await
}

/// Puts a job of no organisation into the queue.
///
/// # Errors
/// The same as of [`enqueue`].
pub async fn enqueue_for_deployment(ctx: &Ctx, new: &NewJob<'_>) -> Result<Enqueued> {
    insert(ctx, Owner::Deployment, new).await
}

async fn insert(ctx: &Ctx, owner: Owner, new: &NewJob<'_>) -> Result<Enqueued> {
    for (what, length, most) in [
        ("subject", new.subject.len(), MAX_NAME_BYTES),
        ("key", new.key.map_or(0, str::len), MAX_NAME_BYTES),
        ("payload", new.payload.len(), MAX_PAYLOAD_BYTES),
    ] {
        if length > most {
            return Err(Error::ours(format!(
                "the {what} of a job of kind {} has {length} bytes; {most} are allowed",
                new.kind.name
            )));
        }
    }
    let now = ctx.clock.now();
    let id = JobId::new(now, ctx.random.entropy());
    let row = NewRow {
        id,
        kind: new.kind.name,
        subject: new.subject,
        payload: new.payload,
        priority: new.priority,
        key: new.key,
        run_after: new.run_after.unwrap_or(now),
        every: new.every,
    };
    let results = ctx
        .db
        .batch(vec![
            store::jobs::insert(owner, &row, MAX_WAITING, now),
            store::jobs::select_open(owner, id, row.kind, row.key),
        ])
        .await?;
    let open: Option<JobId> = first(&results, 1).map(|row| row.parse(0)).transpose()?;
    let open = open.ok_or(CallerError::Unavailable {
        reason: "too many jobs of this kind wait already",
        retry_after: FULL_RETRY,
    })?;
    ctx.tasks.new_job();
    Ok(Enqueued { id: open, known: open != id })
}

/// Sees to it that what a deployment does once in a while is in the queue. May be called at any time, by any number of
/// processes.
///
/// # Errors
/// When the database is out of reach.
pub async fn schedule(ctx: &Ctx) -> Result<()> {
    for (kind, every) in SCHEDULED {
        let new = NewJob { key: Some(kind.name), every: Some(*every), ..NewJob::new(kind) };
        enqueue_for_deployment(ctx, &new).await?;
    }
    Ok(())
}

/// The organisation's jobs that were given up, newest first; at most [`MAX_DEAD`].
///
/// # Errors
/// When the database is out of reach.
pub async fn dead(ctx: &Ctx, scope: &TenantScope) -> Result<Vec<DeadJob>> {
    let results = ctx.db.query(vec![store::jobs::select_dead(scope, MAX_DEAD)]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    Ok(rows.iter().map(store::jobs::dead).collect::<Result<_, DbError>>()?)
}

/// Begins a job again that was given up, where it stopped and with all its attempts.
///
/// # Errors
/// 404 when it is not among the dead ones, 409 when another job has taken its place.
pub async fn retry(ctx: &Ctx, scope: &TenantScope, id: JobId) -> Result<()> {
    match ctx.db.batch(vec![store::jobs::update_revive(scope, id, ctx.clock.now())]).await {
        Ok(results) if results.first().is_some_and(|rows| rows.affected > 0) => {
            ctx.tasks.new_job();
            Ok(())
        }
        Ok(_) => Err(Error::not_found("job")),
        Err(DbError::Conflict(_)) => {
            Err(CallerError::Conflict("a newer job does the same already; this one is not needed").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// A step of [`CLEAN_UP`](super::kind::CLEAN_UP).
pub(super) async fn clean_up(ctx: &Ctx, job: &Claimed) -> Result<Ended, Failure> {
    let now = ctx.clock.now();
    let old = store::jobs::delete_old(now.before(KEEP_DEAD), now.before(TURN_FORGOTTEN), CLEAN_UP_SLICE);
    let mut batch = old.to_vec();
    batch.push(store::members::of_earlier_versions(now));
    batch.push(store::projects::of_earlier_versions());
    let results = ctx.db.batch(batch).await?;
    let more = results.first().is_some_and(|rows| rows.affected >= u64::from(CLEAN_UP_SLICE));
    if more {
        super::go_on(ctx, job, "{}", Vec::new()).await
    } else {
        super::finish(ctx, job, Vec::new()).await
    }
}

/// A row of [`store::jobs::select_depth`].
pub(super) fn depth(row: &Row, now: Timestamp) -> Result<QueueDepth, DbError> {
    let oldest = row.opt_int(1)?.map(Timestamp::from_millis).filter(|due| *due <= now);
    Ok(QueueDepth {
        at: now,
        waiting: row.count(0)?,
        oldest_due: oldest,
        unknown: row.count(2)?,
        dead: row.count(3)?,
    })
}

/// Remembers how full the queue is, for the metrics and for `/health`.
pub(super) fn remember(ctx: &Ctx, depth: QueueDepth) {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let age = depth.oldest_due.map_or(Duration::ZERO, |due| depth.at.since(due));
    ctx.metrics.jobs_waiting.set(count(depth.waiting));
    ctx.metrics.jobs_oldest_seconds.set(count(age.as_secs()));
    ctx.metrics.jobs_unknown.set(count(depth.unknown));
    ctx.metrics.jobs_dead.set(count(depth.dead));
    let before = ctx.caches.queue.replace(Some(depth));
    if depth.unknown > 0 && before.is_none_or(|before| before.unknown != depth.unknown) {
        tracing::warn!(
            count = depth.unknown,
            "jobs of kinds that this version does not know wait for one that does"
        );
    }
}

fn first(results: &[Rows], statement: usize) -> Option<&Row> {
    results.get(statement).and_then(Rows::first)
}
