//! The kinds of jobs there are: one table. What a new kind needs is a row in it.

use std::time::Duration;

use frontdesk_domain::document::DocumentStatus;
use frontdesk_domain::document::reasons::{self, Told};
use frontdesk_domain::error::{CallerError, Error};
use frontdesk_domain::id::WorkerId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Ctx, DbError, Statement};

use super::queue;
use crate::retrieval::{self, Keep};
use crate::store::jobs::Claimed;
use crate::{documents, ingest, snoozes, store, uploads};

/// A kind of job.
pub struct Kind {
    /// Its name in the database.
    pub name: &'static str,
    /// How often a step is tried; `None` where it must not be given up.
    pub max_attempts: Option<u32>,
    /// How long a worker may keep a step, all in all, while it shows that it is at work. Longer than everything in a step
    /// together may take.
    pub lease: Duration,
    /// About how long it waits before the second attempt; four times as long before the third, at most an hour.
    pub pause: Duration,
    /// What a step does.
    pub work: Work,
    /// What else is stored when steps were claimed.
    pub claimed: Option<fn(WorkerId, Timestamp) -> Statement>,
    /// What else is stored when an attempt failed.
    pub failed: Option<WhenFailed>,
    /// Whether a job that is given up stays as a dead letter. Not where another row tells people of it.
    pub dead_letters: bool,
}

/// What is stored when an attempt at a job of an organisation failed.
pub type WhenFailed = fn(&TenantScope, &Claimed, &Failed<'_>) -> Result<Vec<Statement>, DbError>;

/// What a step of a kind does, and for whom.
#[derive(Clone, Copy)]
pub enum Work {
    /// It acts for the organisation whose job it is.
    Organisation(for<'a> fn(&'a Ctx, &'a TenantScope, &'a Claimed) -> Step<'a>),
    /// It acts for no organisation.
    Deployment(for<'a> fn(&'a Ctx, &'a Claimed) -> Step<'a>),
}

/// A step at work.
pub type Step<'a> = BoxFuture<'a, Result<Ended, Failure>>;

/// How a step ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is stored, and another one follows.
    Step,
    /// It was the last one; the job is gone, or begins again later.
    Job,
}

/// Why a step was not done.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt would end the same: the reason, for a person.
    Permanent(Told),
    /// Something that Frontdesk needs did not answer: the reason, for a person.
    Passing(Told),
    /// What it is about is gone, or another worker has the job.
    Superseded,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        tracing::warn!(%error, "a job was interrupted");
        match error {
            Error::Caller(CallerError::TooLarge { limit, .. }) => {
                Self::Permanent(reasons::OVER_BYTES.with(&[&limit]))
            }
            Error::Caller(error) => Self::Permanent(Told::of_a_job(error.to_string())),
            // Documents are read without it.
            Error::Upstream { service: "embeddings", detail, .. } => {
                Self::Passing(Told::of_a_job(format!("the embedding model: {detail}")))
            }
            Error::Upstream { service: "database", .. } => Self::Passing(reasons::DATABASE_AWAY.told()),
            Error::Upstream { service: "blobs", .. } => Self::Passing(reasons::FILES_AWAY.told()),
            Error::Upstream { service, .. } => Self::Passing(reasons::SERVICE_AWAY.with(&[&service])),
            Error::Ours(_) => Self::Passing(reasons::OUR_FAULT.told()),
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Error::from(error).into()
    }
}

/// An attempt that failed.
#[derive(Debug)]
pub struct Failed<'a> {
    /// Whether there is another one.
    pub again: bool,
    /// Why, for a person.
    pub reason: &'a str,
    /// When.
    pub at: Timestamp,
}

impl Claimed {
    /// What the job is about, read.
    ///
    /// # Errors
    /// When it is something else.
    pub fn subject<T: std::str::FromStr>(&self) -> Result<T, DbError> {
        self.subject
            .parse()
            .map_err(|_| DbError::Schema(format!("the subject of a job of kind {}", self.kind)))
    }
}

/// Reads a document and makes a new version of it. Its failures stand in the document's row.
pub static INGEST: Kind = Kind {
    name: "ingest",
    max_attempts: Some(super::MAX_ATTEMPTS),
    lease: super::LEASE,
    pause: super::PAUSE,
    work: Work::Organisation(|ctx, scope, job| Box::pin(ingest::step(ctx, scope, job))),
    claimed: Some(store::document_jobs::update_processing),
    failed: Some(ingest_failed),
    dead_letters: false,
};

/// Takes away what a deleted document left outside of the database. Given up, the file would stay for ever.
pub static PURGE: Kind = Kind {
    name: "purge",
    max_attempts: None,
    lease: super::LEASE,
    pause: super::PAUSE,
    work: Work::Organisation(|ctx, scope, job| {
        Box::pin(async move {
            documents::purge(ctx, scope, job.subject()?).await?;
            super::finish(ctx, job, Vec::new()).await
        })
    }),
    claimed: None,
    failed: None,
    dead_letters: false,
};

/// Keeps the queue itself bounded, and makes what an earlier version left out when it made organisations.
pub static CLEAN_UP: Kind = Kind {
    name: "clean_up",
    max_attempts: Some(super::MAX_ATTEMPTS),
    lease: super::LEASE,
    pause: super::PAUSE,
    work: Work::Deployment(|ctx, job| Box::pin(queue::clean_up(ctx, job))),
    claimed: None,
    failed: None,
    dead_letters: false,
};

/// Takes away uploads that no message names. Many could be due after a while without a worker, so a step is a page.
pub static SWEEP_UPLOADS: Kind = Kind {
    name: "sweep_uploads",
    max_attempts: Some(super::MAX_ATTEMPTS),
    lease: super::LEASE,
    pause: super::PAUSE,
    work: Work::Deployment(|ctx, job| {
        Box::pin(async move {
            match uploads::sweep(ctx).await? {
                Some(next) if next <= ctx.clock.now() => super::go_on(ctx, job, "{}", Vec::new()).await,
                _ => super::finish(ctx, job, Vec::new()).await,
            }
        })
    }),
    claimed: None,
    failed: None,
    dead_letters: false,
};

/// Takes up conversations whose time has come.
pub static WAKE: Kind = Kind {
    name: "wake",
    max_attempts: Some(super::MAX_ATTEMPTS),
    lease: super::LEASE,
    pause: super::PAUSE,
    work: Work::Deployment(|ctx, job| Box::pin(snoozes::wake(ctx, job))),
    claimed: None,
    failed: None,
    dead_letters: false,
};

/// Makes vectors that are missing. Given up, documents would be searched by words for ever.
pub static VECTORS: Kind = Kind {
    name: "vectors",
    max_attempts: None,
    lease: super::LEASE,
    pause: super::PAUSE,
    work: Work::Deployment(|ctx, job| Box::pin(retrieval::catch_up::step(ctx, job))),
    claimed: None,
    failed: None,
    dead_letters: false,
};

/// Every kind that this version knows. Jobs of other kinds are a newer version's: they are left alone, and counted.
pub static KINDS: &[&Kind] = &[&INGEST, &PURGE, &CLEAN_UP, &SWEEP_UPLOADS, &VECTORS, &WAKE];

/// What a deployment does once in a while, and how often.
pub static SCHEDULED: &[(&Kind, Duration)] =
    &[(&CLEAN_UP, HOUR), (&SWEEP_UPLOADS, HOUR), (&VECTORS, MINUTE), (&WAKE, MINUTE)];

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// The document waits for the next attempt, or it failed and nothing of the new version is left behind.
fn ingest_failed(scope: &TenantScope, job: &Claimed, failed: &Failed<'_>) -> Result<Vec<Statement>, DbError> {
    let document = job.subject()?;
    let (status, progress) =
        if failed.again { (DocumentStatus::Queued, None) } else { (DocumentStatus::Failed, Some(0)) };
    let reason = Some(failed.reason);
    let mut batch =
        vec![store::documents::update_status(scope, document, status, progress, reason, failed.at)];
    if !failed.again {
        batch.extend(retrieval::unindex(scope, document, Keep::Current));
        batch.extend(store::document_texts::delete_others(scope, document, Keep::Current));
    }
    Ok(batch)
}
