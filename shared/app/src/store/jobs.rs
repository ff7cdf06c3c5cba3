//! `jobs`: work that goes on by itself, claimed across organisations one step at a time.

use std::str::FromStr;

use frontdesk_domain::id::{DocumentId, JobId, OrgId, WorkerId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// What a job does with its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads it and makes a new version.
    Ingest,
    /// Takes away what a deleted document left outside of the database.
    Purge,
}

impl Kind {
    /// The name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Purge => "purge",
        }
    }
}

impl FromStr for Kind {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, DbError> {
        match text {
            "ingest" => Ok(Self::Ingest),
            "purge" => Ok(Self::Purge),
            other => Err(DbError::Schema(format!("unknown kind of job {other}"))),
        }
    }
}

/// A job whose next step somebody has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Whose.
    pub org: OrgId,
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: Kind,
    /// With which document.
    pub target: DocumentId,
    /// How far it is, as JSON.
    pub step: String,
    /// Which attempt at this step it is, from 1.
    pub attempt: u32,
    /// When the job was made.
    pub created_at: Timestamp,
    /// Who claimed it.
    pub worker: WorkerId,
}

/// A new job that reads a document, if the document exists. It may begin at `run_after`.
pub fn insert_ingest(
    scope: &TenantScope,
    id: JobId,
    document: DocumentId,
    step: &str,
    run_after: Timestamp,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id, id, kind, target, step, state, attempts, run_after, created_at, updated_at)
         SELECT ?1, ?2, 'ingest', ?3, ?4, 'queued', 0, ?5, ?6, ?6
         WHERE EXISTS (SELECT 1 FROM documents WHERE org_id = ?1 AND id = ?3)
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE org_id = ?1 AND target = ?3 AND kind = 'ingest')",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(document)
    .bind(step)
    .bind(run_after)
    .bind(now)
}

/// A job that cleans up after a document, if there is such a document, from `run_after` on. Comes before its deletion.
pub fn insert_purge(
    scope: &TenantScope,
    id: JobId,
    document: DocumentId,
    run_after: Timestamp,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id, id, kind, target, step, state, attempts, run_after, created_at, updated_at)
         SELECT ?1, ?2, 'purge', ?3, '{}', 'queued', 0, ?4, ?5, ?5
         WHERE EXISTS (SELECT 1 FROM documents WHERE org_id = ?1 AND id = ?3)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(document)
    .bind(run_after)
    .bind(now)
}

/// How many documents of the organisation wait to be read.
pub fn count_waiting(scope: &TenantScope) -> Statement {
    Statement::new("SELECT count(*) FROM jobs WHERE org_id = ?1 AND state = 'queued' AND kind = 'ingest'")
        .bind_id(scope.org())
}

/// When the first job of any organisation is due, or the lease of one that runs ends; NULL when there is none.
pub fn select_next() -> Statement {
    Statement::new("SELECT min(run_after) FROM jobs WHERE state IN ('queued', 'running')")
}

/// Claims a step of up to `limit` jobs of any organisation that are due, or whose worker's lease has ended.
pub fn claim(worker: WorkerId, now: Timestamp, lease_until: Timestamp, limit: u32) -> [Statement; 2] {
    [
        Statement::new(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = ?1, run_after = ?3, updated_at = ?2
             WHERE (org_id, id) IN (
                SELECT org_id, id FROM jobs
                WHERE state IN ('queued', 'running') AND run_after <= ?2 ORDER BY run_after LIMIT ?4)
             RETURNING org_id, id, kind, target, step, attempts, created_at, worker",
        )
        .bind_id(worker)
        .bind(now)
        .bind(lease_until)
        .bind(limit),
        Statement::new(
            "UPDATE documents SET status = 'processing', updated_at = ?2 WHERE status = 'queued' AND (org_id, id) IN (
                SELECT org_id, target FROM jobs
                WHERE state IN ('queued', 'running') AND worker = ?1 AND kind = 'ingest')",
        )
        .bind_id(worker)
        .bind(now),
    ]
}

/// A row of [`claim`].
///
/// # Errors
/// When the row is of another shape.
pub fn claimed(row: &Row) -> Result<Claimed, DbError> {
    Ok(Claimed {
        org: row.parse(0)?,
        id: row.parse(1)?,
        kind: row.parse(2)?,
        target: row.parse(3)?,
        step: row.text(4)?.to_owned(),
        attempt: u32::try_from(row.count(5)?).unwrap_or(u32::MAX),
        created_at: row.time(6)?,
        worker: row.parse(7)?,
    })
}

/// Refuses the whole batch, as a conflict, when the job is another worker's by now or gone: a row that the table cannot
/// hold is inserted then.
pub fn fence(scope: &TenantScope, job: &Claimed) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id) SELECT NULL WHERE NOT EXISTS (
            SELECT 1 FROM jobs WHERE org_id = ?1 AND id = ?2 AND worker = ?3 AND state = 'running')",
    )
    .bind_id(scope.org())
    .bind_id(job.id)
    .bind_id(job.worker)
}

/// A step is done: the next one is due, and has all its attempts.
pub fn update_step(scope: &TenantScope, id: JobId, step: &str, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', attempts = 0, worker = NULL, step = ?3, run_after = ?4, updated_at = ?4
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(step)
    .bind(now)
}

/// Another attempt at the same step from `run_after` on.
pub fn update_retry(scope: &TenantScope, id: JobId, run_after: Timestamp, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', worker = NULL, run_after = ?3, updated_at = ?4
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(run_after)
    .bind(now)
}

/// Done, or given up: the row goes.
pub fn delete(scope: &TenantScope, id: JobId) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND id = ?2").bind_id(scope.org()).bind_id(id)
}

/// Nobody reads this document any more.
pub fn delete_ingest(scope: &TenantScope, document: DocumentId) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND target = ?2 AND kind = 'ingest'")
        .bind_id(scope.org())
        .bind_id(document)
}
