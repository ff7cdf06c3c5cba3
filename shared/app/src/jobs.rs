//! The queue of background work, across organisations. A job is a chain of short steps: each is claimed under a lease,
//! done, and stored in one batch together with where the next one begins. A step whose worker dies is done again by
//! whoever comes after the lease; what the dead worker still tries to store is refused.

use std::time::Duration;

use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::error::Result;
use frontdesk_domain::id::WorkerId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Ctx, DbError, Rows, Statement};
use futures_util::future::join_all;

use crate::ingest::Failure;
use crate::retrieval::Keep;
use crate::store::jobs::{Claimed, Kind};
use crate::{documents, ingest, retrieval, store};

/// How many jobs of one organisation may wait.
pub const MAX_WAITING: u32 = 1000;

/// How often a step is tried.
pub const MAX_ATTEMPTS: u32 = 3;

/// How long a worker keeps a step. Longer than everything in a step together may take.
pub const LEASE: Duration = Duration::from_secs(120);

/// Before the second attempt; four times as long before the third.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);

/// Runs the next step of up to `at_once` jobs that are due, side by side, and returns when to come again: a time that has
/// passed means at once, `None` when a new job is announced. Any number of runners may do so at the same time.
///
/// # Errors
/// When the queue cannot be read.
pub async fn run(ctx: &Ctx, at_once: u32) -> Result<Option<Timestamp>> {
    let now = ctx.clock.now();
    let next = ctx.db.query(vec![store::jobs::select_next()]).await?;
    let next = next.first().and_then(Rows::first).map(|row| row.opt_int(0)).transpose()?.flatten();
    let next = next.map(Timestamp::from_millis);
    if next.is_none_or(|next| next > now) {
        return Ok(next);
    }
    let worker = WorkerId::new(now, ctx.random.entropy());
    let results = ctx.db.batch(store::jobs::claim(worker, now, now.after(LEASE), at_once).to_vec()).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let claimed = rows.iter().map(store::jobs::claimed).collect::<Result<Vec<_>, _>>()?;
    join_all(claimed.iter().map(|job| step(ctx, job))).await;
    Ok(next)
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is stored, and another one follows.
    Step,
    /// It was the last one; the job is gone.
    Job,
}

#[expect(clippy::disallowed_methods, reason = "the queue acts for the organisation whose job it claimed")]
fn scope_of(job: &Claimed) -> TenantScope {
    TenantScope::authenticated(job.org, Actor::System)
}

async fn step(ctx: &Ctx, job: &Claimed) {
    let scope = scope_of(job);
    let outcome = match job.kind {
        // A file that kills its worker each time must not be read for ever.
        Kind::Ingest if job.attempt > MAX_ATTEMPTS => {
            Err(Failure::Permanent(format!("reading it was interrupted {MAX_ATTEMPTS} times")))
        }
        Kind::Ingest => ingest::step(ctx, &scope, job).await,
        Kind::Purge => purge(ctx, &scope, job).await,
    };
    let result = match &outcome {
        Ok(Ended::Step) => "step",
        Ok(Ended::Job) => "done",
        Err(Failure::Superseded) => "superseded",
        Err(failure) if tries_again(job, failure) => "retry",
        Err(_) => "failed",
    };
    ctx.metrics.jobs.get_or_create(&[("kind", job.kind.name()), ("result", result)]).inc();
    tracing::info!(job = %job.id, kind = job.kind.name(), attempt = job.attempt, result, "job");
    if let Err(failure) = outcome
        && let Err(failure) = settle(ctx, &scope, job, failure).await
    {
        // The lease ends by itself; then the step is tried again.
        tracing::warn!(?failure, job = %job.id, "the end of a step could not be stored");
    }
}

async fn purge(ctx: &Ctx, scope: &TenantScope, job: &Claimed) -> Result<Ended, Failure> {
    documents::purge(ctx, scope, job.target).await?;
    commit(ctx, scope, job, vec![store::jobs::delete(scope, job.id)]).await?;
    Ok(Ended::Job)
}

/// Stores what a step made, unless the job is another worker's by now or gone: then nothing is stored.
///
/// # Errors
/// [`Failure::Superseded`] in that case, [`Failure::Passing`] when the database fails.
pub(crate) async fn commit(
    ctx: &Ctx,
    scope: &TenantScope,
    job: &Claimed,
    statements: Vec<Statement>,
) -> Result<(), Failure> {
    let mut batch = vec![store::jobs::fence(scope, job)];
    batch.extend(statements);
    match ctx.db.batch(batch).await {
        Ok(_) => Ok(()),
        Err(DbError::Conflict(_)) => Err(Failure::Superseded),
        Err(error) => Err(error.into()),
    }
}

/// A purge has nobody to tell, and must not be given up: the file would stay for ever.
fn tries_again(job: &Claimed, failure: &Failure) -> bool {
    job.kind == Kind::Purge || (matches!(failure, Failure::Passing(_)) && job.attempt < MAX_ATTEMPTS)
}

/// Stores how an attempt failed: for another one later, or for good. Then nothing of the new version is left behind.
async fn settle(ctx: &Ctx, scope: &TenantScope, job: &Claimed, failure: Failure) -> Result<(), Failure> {
    let now = ctx.clock.now();
    let again = tries_again(job, &failure);
    let reason = match failure {
        Failure::Superseded => return Ok(()),
        Failure::Passing(reason) | Failure::Permanent(reason) => reason,
    };
    let mut batch = Vec::new();
    if job.kind == Kind::Ingest {
        let (status, progress) =
            if again { (DocumentStatus::Queued, None) } else { (DocumentStatus::Failed, Some(0)) };
        batch.push(store::documents::update_status(scope, job.target, status, progress, Some(&reason), now));
    }
    if again {
        let run_after = now.after(backoff(ctx, job.attempt));
        batch.push(store::jobs::update_retry(scope, job.id, run_after, now));
    } else {
        batch.extend(retrieval::unindex(scope, job.target, Keep::Current));
        batch.push(store::documents::delete_other_texts(scope, job.target, Keep::Current));
        batch.push(store::jobs::delete(scope, job.id));
    }
    match commit(ctx, scope, job, batch).await {
        Err(Failure::Superseded) => Ok(()),
        other => other,
    }
}

/// 10 s, 40 s, 160 s, …, at most an hour; up to a quarter longer, so that jobs that failed together do not come back
/// together.
fn backoff(ctx: &Ctx, attempt: u32) -> Duration {
    let steps = attempt.saturating_sub(1).min(6);
    let base = FIRST_BACKOFF.saturating_mul(4_u32.saturating_pow(steps)).min(Duration::from_secs(3600));
    let [random, ..] = ctx.random.entropy();
    let part = base.checked_div(1024).unwrap_or_default();
    base.saturating_add(part.saturating_mul(u32::from(random)))
}
