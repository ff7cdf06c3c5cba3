//! The queue of background work, across organisations. A job is a chain of short steps: each is claimed under a lease,
//! done, and stored in one batch together with where the next one begins. A step whose worker dies is done again by
//! the one that comes after the lease; what the dead worker still tries to store is refused.

mod kind;
mod queue;

use std::collections::BTreeMap;
use std::time::Duration;

use frontdesk_domain::document::reasons::{self, Told};
use frontdesk_domain::error::Result;
use frontdesk_domain::id::WorkerId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Ctx, DbError, QueueDepth, Rows, Statement, backoff, caught};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use crate::store;
use crate::store::jobs::Owner;

pub use crate::store::jobs::{Claimed, DeadJob};
pub use kind::{
    CLEAN_UP, Ended, Failed, Failure, INGEST, KINDS, Kind, PURGE, SWEEP_UPLOADS, Step, WAKE, WhenFailed, Work,
};
pub use queue::{
    Enqueued, KEEP_DEAD, MAX_DEAD, MAX_WAITING, NewJob, dead, enqueue, enqueue_for_deployment, retry,
    schedule,
};

/// How often a step of most kinds is tried.
pub const MAX_ATTEMPTS: u32 = 3;

/// How long a worker may keep a step of most kinds, all in all.
pub const LEASE: Duration = Duration::from_secs(120);

/// How long a worker keeps a step without a sign that it is at work. What a worker that died has left is taken up after that.
const HELD: Duration = Duration::from_secs(20);

/// How often a worker gives that sign.
const SIGN_EVERY: Duration = Duration::from_secs(5);

/// Before the second attempt of most kinds.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// While a step takes longer than this, places that are free are given to other jobs.
const SLOW: Duration = Duration::from_secs(1);

/// How often the queue's depth is measured.
const MEASURED_EVERY: Duration = Duration::from_secs(5);

/// The longest reason that is stored, in characters.
const MAX_REASON_CHARS: usize = 500;

/// Runs the next step of up to `at_once` jobs that are due, side by side, and returns when to come again: a time that has
/// passed means at once, `None` when a new job is announced. Any number of runners may do so at the same time.
///
/// # Errors
/// When the queue cannot be read.
pub async fn run(ctx: &Ctx, at_once: u32) -> Result<Option<Timestamp>> {
    run_kinds(ctx, KINDS, at_once).await
}

/// The same for jobs of these kinds alone.
///
/// # Errors
/// When the queue cannot be read.
pub async fn run_kinds(ctx: &Ctx, kinds: &[&'static Kind], at_once: u32) -> Result<Option<Timestamp>> {
    let now = ctx.clock.now();
    let names = leases(kinds);
    let next = next_due(ctx, &names, now).await?;
    if next.is_none_or(|next| next > now) {
        return Ok(next);
    }
    let mut running = FuturesUnordered::new();
    let (worker, steps) = claim(ctx, kinds, at_once).await?;
    running.extend(steps);
    let (mut workers, mut signed) = (vec![worker], now);
    while !running.is_empty() {
        let now = ctx.clock.now();
        if now.since(signed) >= SIGN_EVERY {
            signed = now;
            if let Err(error) = ctx.db.batch(vec![store::jobs::prolong(&workers, &names, HELD, now)]).await {
                tracing::warn!(%error, "the leases of jobs were not prolonged");
            }
        }
        if let Either::Left(_) = select(running.next(), ctx.clock.sleep(SLOW)).await {
            continue;
        }
        // A slow step does not hold up what could be done beside it.
        let taken = u32::try_from(running.len()).unwrap_or(u32::MAX);
        let free = at_once.saturating_sub(taken);
        if free > 0 {
            match claim(ctx, kinds, free).await {
                Ok((_, more)) if more.is_empty() => {}
                Ok((worker, more)) => {
                    running.extend(more);
                    workers.push(worker);
                }
                Err(error) => tracing::warn!(%error, "jobs beside a slow one could not be claimed"),
            }
        }
    }
    Ok(next)
}

/// Claims the next steps of up to `limit` jobs that are due: under which name, and what they have to do.
async fn claim<'a>(
    ctx: &'a Ctx,
    kinds: &[&'static Kind],
    limit: u32,
) -> Result<(WorkerId, Vec<BoxFuture<'a, ()>>)> {
    let now = ctx.clock.now();
    let worker = WorkerId::new(now, ctx.random.entropy());
    let held = times(kinds, |kind| kind.lease.min(HELD));
    let mut batch = store::jobs::claim(worker, &held, now, limit).to_vec();
    batch.extend(kinds.iter().filter_map(|kind| kind.claimed).map(|claimed| claimed(worker, now)));
    let results = ctx.db.batch(batch).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let mut steps: Vec<BoxFuture<'a, ()>> = Vec::new();
    for row in rows {
        let job = match store::jobs::claimed(row) {
            Ok(job) => job,
            // Its lease ends, and a version that can read it may come.
            Err(error) => {
                tracing::error!(%error, "a job cannot be read");
                continue;
            }
        };
        if let Some(kind) = kinds.iter().find(|kind| kind.name == job.kind).copied() {
            steps.push(Box::pin(async move { step(ctx, kind, &job).await }));
        }
    }
    Ok((worker, steps))
}

/// The names of kinds with their leases, as the store takes them.
fn leases(kinds: &[&Kind]) -> String {
    times(kinds, |kind| kind.lease)
}

/// The names of kinds with a time of each in milliseconds.
fn times(kinds: &[&Kind], time: impl Fn(&Kind) -> Duration) -> String {
    let millis = |kind: &&Kind| u64::try_from(time(kind).as_millis()).unwrap_or(u64::MAX);
    let times: BTreeMap<_, _> = kinds.iter().map(|kind| (kind.name, millis(kind))).collect();
    serde_json::json!(times).to_string()
}

/// When the first job is due. Measures the queue in the same round trip, once in a while.
async fn next_due(ctx: &Ctx, names: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    let measured = known_depth(ctx, now).is_some();
    let mut questions = vec![store::jobs::select_next(names)];
    if !measured {
        questions.push(store::jobs::select_depth(names, now));
    }
    let results = ctx.db.query(questions).await?;
    if let Some(row) = results.get(1).and_then(Rows::first) {
        queue::remember(ctx, queue::depth(row, now)?);
    }
    let next = results.first().and_then(Rows::first).map(|row| row.opt_int(0)).transpose()?.flatten();
    Ok(next.map(Timestamp::from_millis))
}

/// How full the queue is, as known for a few seconds.
///
/// # Errors
/// When the queue cannot be read.
pub async fn depth(ctx: &Ctx) -> Result<QueueDepth> {
    let now = ctx.clock.now();
    if let Some(known) = known_depth(ctx, now) {
        return Ok(known);
    }
    let results = ctx.db.query(vec![store::jobs::select_depth(&leases(KINDS), now)]).await?;
    let row = results.first().and_then(Rows::first);
    let row = row.ok_or_else(|| DbError::Schema("the depth of the queue".to_owned()))?;
    let depth = queue::depth(row, now)?;
    queue::remember(ctx, depth);
    Ok(depth)
}

/// What was measured lately. A clock that was set back makes it old.
fn known_depth(ctx: &Ctx, now: Timestamp) -> Option<QueueDepth> {
    ctx.caches.queue.get().filter(|depth| depth.at <= now && now.since(depth.at) < MEASURED_EVERY)
}

#[expect(clippy::disallowed_methods, reason = "the queue acts for the organisation whose job it claimed")]
fn scope_of(job: &Claimed) -> Option<TenantScope> {
    match job.owner {
        Owner::Organisation(org) => Some(TenantScope::authenticated(org, Actor::System)),
        Owner::Deployment => None,
    }
}

async fn step(ctx: &Ctx, kind: &Kind, job: &Claimed) {
    let scope = scope_of(job);
    let outcome = match (kind.work, &scope) {
        // A step that kills its worker each time must not be done for ever.
        _ if kind.max_attempts.is_some_and(|most| job.attempt > most) => {
            let most = kind.max_attempts.unwrap_or_default();
            Err(Failure::Permanent(reasons::INTERRUPTED.with(&[&most])))
        }
        (Work::Organisation(work), Some(scope)) => alone(ctx, work(ctx, scope, job)).await,
        (Work::Deployment(work), None) => alone(ctx, work(ctx, job)).await,
        (Work::Organisation(_), None) => {
            Err(Failure::Permanent(Told::of_a_job("a job of this kind is an organisation's")))
        }
        (Work::Deployment(_), Some(_)) => {
            Err(Failure::Permanent(Told::of_a_job("a job of this kind is no organisation's")))
        }
    };
    let result = match &outcome {
        Ok(Ended::Step) => "step",
        Ok(Ended::Job) => "done",
        Err(Failure::Superseded) => "superseded",
        Err(failure) if tries_again(kind, job, failure) => "retry",
        Err(_) => "failed",
    };
    ctx.metrics.jobs.get_or_create(&[("kind", kind.name), ("result", result)]).inc();
    tracing::info!(job = %job.id, kind = kind.name, attempt = job.attempt, result, "job");
    if let Err(failure) = outcome
        && let Err(failure) = settle(ctx, kind, scope.as_ref(), job, failure).await
    {
        // The lease ends by itself; then the step is tried again.
        tracing::warn!(?failure, job = %job.id, "the end of a step could not be stored");
    }
}

/// A step that panics is a failure of its job alone. It is tried again: what it needs may be other by then.
async fn alone(ctx: &Ctx, step: Step<'_>) -> Result<Ended, Failure> {
    caught(step).await.unwrap_or_else(|cause| {
        ctx.metrics.supervision.died("job", &cause, ctx.clock.now());
        Err(Failure::Passing(reasons::DEFECT.told()))
    })
}

/// Stores what a step made, and that the next one begins with `payload`.
///
/// # Errors
/// As [`commit`].
pub async fn go_on(
    ctx: &Ctx,
    job: &Claimed,
    payload: &str,
    mut made: Vec<Statement>,
) -> Result<Ended, Failure> {
    made.push(store::jobs::update_step(job, payload, ctx.clock.now()));
    commit(ctx, job, made).await?;
    Ok(Ended::Step)
}

/// Stores what the last step made. The job goes, or begins again later.
///
/// # Errors
/// As [`commit`].
pub async fn finish(ctx: &Ctx, job: &Claimed, mut made: Vec<Statement>) -> Result<Ended, Failure> {
    let now = ctx.clock.now();
    made.push(match job.every {
        Some(every) => store::jobs::update_repeat(job, now.after(every), None, now),
        None => store::jobs::delete(job),
    });
    commit(ctx, job, made).await?;
    Ok(Ended::Job)
}

/// Stores what a step made, unless the job is another worker's by now or gone: then nothing is stored.
///
/// # Errors
/// [`Failure::Superseded`] in that case, [`Failure::Passing`] when the database fails.
async fn commit(ctx: &Ctx, job: &Claimed, statements: Vec<Statement>) -> Result<(), Failure> {
    let mut batch = vec![store::jobs::fence(job)];
    batch.extend(statements);
    match ctx.db.batch(batch).await {
        Ok(_) => Ok(()),
        Err(DbError::Conflict(_)) => Err(Failure::Superseded),
        Err(error) => Err(error.into()),
    }
}

fn tries_again(kind: &Kind, job: &Claimed, failure: &Failure) -> bool {
    kind.max_attempts.is_none_or(|most| matches!(failure, Failure::Passing(_)) && job.attempt < most)
}

/// Stores how an attempt failed: for another one later, or for good.
async fn settle(
    ctx: &Ctx,
    kind: &Kind,
    scope: Option<&TenantScope>,
    job: &Claimed,
    failure: Failure,
) -> Result<(), Failure> {
    let now = ctx.clock.now();
    let again = tries_again(kind, job, &failure);
    let reason: String = match failure {
        Failure::Superseded => return Ok(()),
        Failure::Passing(reason) | Failure::Permanent(reason) => {
            reason.into_text().chars().take(MAX_REASON_CHARS).collect()
        }
    };
    let mut batch = Vec::new();
    if let (Some(failed), Some(scope)) = (kind.failed, scope) {
        batch.extend(failed(scope, job, &Failed { again, reason: &reason, at: now })?);
    }
    if again {
        let pause = backoff(ctx.random.as_ref(), kind.pause, LONGEST_PAUSE, job.attempt);
        batch.push(store::jobs::update_retry(job, now.after(pause), &reason, now));
    } else if let Some(every) = job.every {
        batch.push(store::jobs::update_repeat(job, now.after(every), Some(&reason), now));
    } else if kind.dead_letters {
        tracing::warn!(job = %job.id, kind = kind.name, %reason, "a job was given up; it is kept as a dead letter");
        batch.extend(store::jobs::update_dead(job, &reason, MAX_DEAD, now));
    } else {
        batch.push(store::jobs::delete(job));
    }
    match commit(ctx, job, batch).await {
        Err(Failure::Superseded) => Ok(()),
        other => other,
    }
}
