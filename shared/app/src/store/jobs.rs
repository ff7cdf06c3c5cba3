//! `jobs`: work that goes on by itself, claimed across organisations.

use std::str::FromStr;

use frontdesk_domain::id::{DocumentId, JobId, OrgId, WorkerId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

use super::documents::Holder;

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

/// A job that was claimed.
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
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// A new job for a document that exists and has none waiting. `run_after` is when it may begin.
pub fn insert_for_document(
    scope: &TenantScope,
    id: JobId,
    document: DocumentId,
    now: Timestamp,
) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id, id, kind, target, payload, state, attempts, run_after, created_at, updated_at)
         SELECT ?1, ?2, 'ingest', ?3, '{}', 'queued', 0, ?4, ?4, ?4
         WHERE EXISTS (SELECT 1 FROM documents WHERE org_id = ?1 AND id = ?3)
           AND NOT EXISTS (SELECT 1 FROM jobs WHERE org_id = ?1 AND target = ?3 AND state = 'queued')",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(document)
    .bind(now)
}

/// The job that cleans up after a deleted document, if the host dies before it did so itself.
pub fn insert_purge(scope: &TenantScope, id: JobId, document: DocumentId, run_after: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id, id, kind, target, payload, state, attempts, run_after, created_at, updated_at)
         VALUES (?1, ?2, 'purge', ?3, '{}', 'queued', 0, ?4, ?4, ?4)",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(document)
    .bind(run_after)
}

/// How many jobs of the organisation wait.
pub fn count_waiting(scope: &TenantScope) -> Statement {
    Statement::new("SELECT count(*) FROM jobs WHERE org_id = ?1 AND state = 'queued'").bind_id(scope.org())
}

/// Claims up to `limit` jobs that are due, or whose worker's lease has ended, of any organisation.
pub fn claim(worker: WorkerId, now: Timestamp, lease_until: Timestamp, limit: u32) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = ?1, lease_until = ?3, updated_at = ?2
         WHERE (org_id, id) IN (
            SELECT org_id, id FROM jobs
            WHERE state IN ('queued', 'running')
              AND run_after <= ?2 AND (state = 'queued' OR lease_until <= ?2)
            ORDER BY run_after LIMIT ?4)
         RETURNING org_id, id, kind, target, attempts",
    )
    .bind_id(worker)
    .bind(now)
    .bind(lease_until)
    .bind(limit)
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
        attempt: u32::try_from(row.count(4)?).unwrap_or(u32::MAX),
    })
}

/// Holds on to a job. Changes no row when it is another worker's by now or gone.
pub fn update_lease(
    scope: &TenantScope,
    id: JobId,
    worker: WorkerId,
    now: Timestamp,
    until: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE jobs SET lease_until = ?4, updated_at = ?5
         WHERE org_id = ?1 AND id = ?2 AND worker = ?3 AND state = 'running'",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(worker)
    .bind(until)
    .bind(now)
}

/// Another attempt from `run_after` on.
pub fn update_retry(
    scope: &TenantScope,
    id: JobId,
    worker: WorkerId,
    now: Timestamp,
    run_after: Timestamp,
) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', worker = NULL, lease_until = NULL, run_after = ?4, updated_at = ?5
         WHERE org_id = ?1 AND id = ?2 AND worker = ?3 AND state = 'running'",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(worker)
    .bind(run_after)
    .bind(now)
}

/// No further attempt. The row stays until its document is read again or deleted.
pub fn update_failed(scope: &TenantScope, id: JobId, worker: WorkerId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'failed', lease_until = NULL, updated_at = ?4
         WHERE org_id = ?1 AND id = ?2 AND worker = ?3 AND state = 'running'",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind_id(worker)
    .bind(now)
}

/// Done: the row goes.
pub fn delete(scope: &TenantScope, id: JobId) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND id = ?2").bind_id(scope.org()).bind_id(id)
}

/// Done, if it is still this worker's: the row goes.
pub fn delete_held(scope: &TenantScope, holder: Holder) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND id = ?2 AND worker = ?3")
        .bind_id(scope.org())
        .bind_id(holder.job)
        .bind_id(holder.worker)
}

/// What failed before for this document.
pub fn delete_failed(scope: &TenantScope, document: DocumentId) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND target = ?2 AND state = 'failed'")
        .bind_id(scope.org())
        .bind_id(document)
}

/// All reading of a document that is deleted.
pub fn delete_of_document(scope: &TenantScope, document: DocumentId) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND target = ?2 AND kind = 'ingest'")
        .bind_id(scope.org())
        .bind_id(document)
}
