//! The queue of background work: at most three attempts each, under a lease, across organisations.

use std::time::Duration;

use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::id::WorkerId;
use frontdesk_domain::scope::{Actor, TenantScope};
use frontdesk_ports::Ctx;
use futures_util::future::{Either, join_all, select};

use crate::ingest::{Failure, Holder};
use crate::store::jobs::{Claimed, Kind};
use crate::{documents, ingest, store};

/// How many jobs of one organisation may wait.
pub const MAX_WAITING: u32 = 1000;

/// How often a job is tried.
pub const MAX_ATTEMPTS: u32 = 3;

/// How many jobs one call of [`run_due`] works on at the same time.
const AT_ONCE: u32 = 4;

/// How long a worker that says nothing keeps its job.
const LEASE: Duration = Duration::from_secs(90);

/// How often it says that it is still there.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Before the second attempt; four times as long before the third.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);

/// Runs the jobs that are due, at most a few, and returns how many it ran. A host calls it in a loop or by a timer, and
/// again at once while it returns more than 0. It may run in several processes at the same time.
///
/// # Errors
/// When the queue cannot be read.
pub async fn run_due(ctx: &Ctx) -> Result<usize> {
    let now = ctx.clock.now();
    let worker = WorkerId::new(now, ctx.random.entropy());
    let claim = store::jobs::claim(worker, now, now.after(LEASE), AT_ONCE);
    let results = ctx.db.batch(vec![claim]).await?;
    let rows = results.first().map(|rows| rows.rows.as_slice()).unwrap_or_default();
    let claimed = rows.iter().map(store::jobs::claimed).collect::<Result<Vec<_>, _>>()?;
    let count = claimed.len();
    join_all(claimed.into_iter().map(|job| run(ctx, job, worker))).await;
    Ok(count)
}

#[expect(clippy::disallowed_methods, reason = "the queue acts for the organisation whose job it claimed")]
fn scope_of(job: &Claimed) -> TenantScope {
    TenantScope::authenticated(job.org, Actor::System)
}

async fn run(ctx: &Ctx, job: Claimed, worker: WorkerId) {
    let scope = scope_of(&job);
    let outcome = if job.attempt > MAX_ATTEMPTS {
        Err(Failure::Permanent(format!("reading it was interrupted {MAX_ATTEMPTS} times")))
    } else {
        let work = Box::pin(work(ctx, &scope, &job, worker));
        let held = Box::pin(hold(ctx, &scope, &job, worker));
        match select(work, held).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(((), _)) => Err(Failure::Superseded),
        }
    };
    let result = match &outcome {
        Ok(()) => "done",
        Err(Failure::Superseded) => "superseded",
        Err(Failure::Passing(_)) if job.attempt < MAX_ATTEMPTS => "retry",
        Err(_) => "failed",
    };
    ctx.metrics
        .jobs
        .get_or_create(&[("kind", job.kind.name().to_owned()), ("result", result.to_owned())])
        .inc();
    tracing::info!(job = %job.id, kind = job.kind.name(), attempt = job.attempt, result, "job");
    if let Err(failure) = outcome
        && let Err(error) = settle(ctx, &scope, &job, worker, failure).await
    {
        // The lease ends by itself; then the job is tried again.
        tracing::warn!(%error, job = %job.id, "the end of a job could not be stored");
    }
}

async fn work(ctx: &Ctx, scope: &TenantScope, job: &Claimed, worker: WorkerId) -> Result<(), Failure> {
    match job.kind {
        Kind::Ingest => ingest::run(ctx, scope, job.target, Holder { job: job.id, worker }).await,
        Kind::Purge => {
            documents::purge(ctx, scope, job.target).await?;
            ctx.db.batch(vec![store::jobs::delete(scope, job.id)]).await?;
            Ok(())
        }
    }
}

/// Renews the lease until it is lost.
async fn hold(ctx: &Ctx, scope: &TenantScope, job: &Claimed, worker: WorkerId) {
    loop {
        ctx.clock.sleep(HEARTBEAT).await;
        let now = ctx.clock.now();
        let renew = store::jobs::update_lease(scope, job.id, worker, now, now.after(LEASE));
        match ctx.db.batch(vec![renew]).await {
            Ok(results) if results.first().is_some_and(|rows| rows.affected == 0) => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, job = %job.id, "the lease of a job could not be renewed"),
        }
    }
}

/// Stores how an attempt failed: for another one later, or for good.
async fn settle(
    ctx: &Ctx,
    scope: &TenantScope,
    job: &Claimed,
    worker: WorkerId,
    failure: Failure,
) -> Result<()> {
    let now = ctx.clock.now();
    let (again, reason) = match failure {
        // The swap's fence refused it: nobody needs this attempt any more. If the job is still this worker's (the
        // document moved to another version), it is tried again from there.
        Failure::Superseded => (true, String::new()),
        Failure::Passing(reason) => (true, reason),
        Failure::Permanent(reason) => (false, reason),
    };
    // A purge has nobody to tell, and must not be given up: the file would stay for ever.
    let again = (again && job.attempt < MAX_ATTEMPTS) || job.kind == Kind::Purge;
    let mut batch = Vec::new();
    if again {
        batch.push(store::jobs::update_retry(
            scope,
            job.id,
            worker,
            now,
            now.after(backoff(ctx, job.attempt)),
        ));
    } else {
        batch.push(store::jobs::update_failed(scope, job.id, worker, now));
    }
    if job.kind == Kind::Ingest && !reason.is_empty() {
        let status = if again { DocumentStatus::Queued } else { DocumentStatus::Failed };
        batch.push(store::documents::update_reason(scope, job.target, status, &reason, now));
    } else if job.kind == Kind::Ingest && !again {
        let reason = "the document changed while it was read; try again";
        batch.push(store::documents::update_reason(scope, job.target, DocumentStatus::Failed, reason, now));
    }
    ctx.db.batch(batch).await.map_err(Error::from)?;
    Ok(())
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
