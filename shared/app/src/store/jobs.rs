//! `jobs` and `job_turns`: work that goes on by itself, claimed across organisations one step at a time.
//!
//! The columns `target` and `step` are a job's subject and payload. `run_after` says when a job that waits may run, and until
//! when one that runs is its worker's.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use frontdesk_domain::id::{JobId, OrgId, WorkerId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Statement};

/// Whose a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// An organisation's.
    Organisation(OrgId),
    /// No organisation's: it is about the deployment, and reads and writes nothing of any organisation by its scope.
    Deployment,
}

impl Owner {
    /// In place of an organisation's id.
    const DEPLOYMENT: &str = "deployment";

    /// The organisation of a scope.
    #[must_use]
    pub const fn of(scope: &TenantScope) -> Self {
        Self::Organisation(scope.org())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Organisation(org) => org.fmt(f),
            Self::Deployment => f.write_str(Self::DEPLOYMENT),
        }
    }
}

impl FromStr for Owner {
    type Err = DbError;

    fn from_str(text: &str) -> Result<Self, DbError> {
        if text == Self::DEPLOYMENT {
            return Ok(Self::Deployment);
        }
        let org = text.parse().map_err(|_| DbError::Schema("the owner of a job".to_owned()))?;
        Ok(Self::Organisation(org))
    }
}

/// A job whose next step a worker has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Whose.
    pub owner: Owner,
    /// Its id.
    pub id: JobId,
    /// The name of its kind.
    pub kind: String,
    /// What it is about: the id of a document, say.
    pub subject: String,
    /// How far it is, as JSON.
    pub payload: String,
    /// Which attempt at this step it is, from 1.
    pub attempt: u32,
    /// When the job was made.
    pub created_at: Timestamp,
    /// Who claimed it.
    pub worker: WorkerId,
    /// How long after its end it begins again.
    pub every: Option<Duration>,
}

/// A job to be stored.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// Its id.
    pub id: JobId,
    /// The name of its kind.
    pub kind: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// Where it begins, as JSON.
    pub payload: &'a str,
    /// Among the jobs of its owner.
    pub priority: i8,
    /// Of the open jobs of one owner and kind, at most one has the same.
    pub key: Option<&'a str>,
    /// Not before.
    pub run_after: Timestamp,
    /// How long after its end it begins again.
    pub every: Option<Duration>,
}

/// Stores a new job, unless one with its key is open, or `most_waiting` of its kind are. Then it changes nothing.
pub fn insert(owner: Owner, new: &NewRow<'_>, most_waiting: u32, now: Timestamp) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id, id, kind, target, step, state, attempts, run_after, created_at, updated_at,
                           priority, dedup_key, every_ms)
         SELECT ?1, ?2, ?3, ?4, ?5, 'queued', 0, ?6, ?7, ?7, ?8, ?9, ?10
         WHERE (SELECT count(*) FROM jobs WHERE org_id = ?1 AND state IN ('queued', 'running') AND kind = ?3) < ?11
         ON CONFLICT (org_id, kind, dedup_key) WHERE dedup_key IS NOT NULL AND state IN ('queued', 'running')
         DO NOTHING",
    )
    .bind_id(owner)
    .bind_id(new.id)
    .bind(new.kind)
    .bind(new.subject)
    .bind(new.payload)
    .bind(new.run_after)
    .bind(now)
    .bind(i64::from(new.priority))
    .bind(new.key)
    .bind(new.every.map(millis))
    .bind(most_waiting)
}

/// The open job with this id, or with this key.
pub fn select_open(owner: Owner, id: JobId, kind: &str, key: Option<&str>) -> Statement {
    Statement::new(
        "SELECT id FROM jobs WHERE org_id = ?1 AND id = ?2
         UNION ALL
         SELECT id FROM jobs WHERE org_id = ?1 AND kind = ?3 AND dedup_key = ?4 AND dedup_key IS NOT NULL
            AND state IN ('queued', 'running')
         LIMIT 1",
    )
    .bind_id(owner)
    .bind_id(id)
    .bind(kind)
    .bind(key)
}

/// When the first job of these kinds is due, or the lease of one that runs ends; NULL when there is none. `kinds` is a JSON
/// object: how long a worker keeps a step of each, in milliseconds.
pub fn select_next(kinds: &str) -> Statement {
    Statement::new(
        "SELECT min((SELECT min(run_after) FROM jobs WHERE kind = k.key AND state IN ('queued', 'running')))
         FROM json_each(?1) k",
    )
    .bind(kinds)
}

/// Claims a step of up to `limit` jobs of these kinds that are due, or whose worker's lease has ended: the first of each
/// owner, then the second of each, beginning with whose turn was longest ago.
///
/// Owners are found by skipping through an index, and of each only its first `limit` jobs are compared: how many wait behind
/// them costs nothing. `kinds` is a JSON object: how long the worker keeps a step of each at first, in milliseconds.
pub fn claim(worker: WorkerId, kinds: &str, now: Timestamp, limit: u32) -> [Statement; 2] {
    [
        Statement::new(CLAIM).bind_id(worker).bind(now).bind(kinds).bind(limit),
        Statement::new(
            "INSERT INTO job_turns (org_id, served_at)
             SELECT DISTINCT org_id, ?2 FROM jobs WHERE state = 'running' AND worker = ?1
             ON CONFLICT (org_id) DO UPDATE SET served_at = excluded.served_at",
        )
        .bind_id(worker)
        .bind(now),
    ]
}

const CLAIM: &str = "
    UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = ?1, updated_at = ?2,
        run_after = ?2 + (SELECT value FROM json_each(?3) WHERE key = jobs.kind)
    WHERE (org_id, id) IN (
        WITH RECURSIVE owners (org_id) AS (
            SELECT min(org_id) FROM jobs INDEXED BY jobs_by_owner WHERE state IN ('queued', 'running')
            UNION ALL
            SELECT (SELECT min(j.org_id) FROM jobs j INDEXED BY jobs_by_owner
                    WHERE j.state IN ('queued', 'running') AND j.org_id > owners.org_id)
            FROM owners WHERE owners.org_id IS NOT NULL),
        first AS (
            SELECT j.org_id, j.id, j.run_after,
                row_number() OVER (PARTITION BY j.org_id ORDER BY j.priority DESC, j.run_after, j.id) AS turn
            FROM owners o CROSS JOIN jobs j
            WHERE j.org_id = o.org_id AND j.id IN (
                SELECT d.id FROM jobs d INDEXED BY jobs_by_owner
                WHERE d.org_id = o.org_id AND d.state IN ('queued', 'running') AND d.run_after <= ?2
                  AND d.kind IN (SELECT key FROM json_each(?3))
                ORDER BY d.priority DESC, d.run_after LIMIT ?4))
        SELECT f.org_id, f.id FROM first f LEFT JOIN job_turns t ON t.org_id = f.org_id
        ORDER BY f.turn, coalesce(t.served_at, 0), f.run_after LIMIT ?4)
    RETURNING org_id, id, kind, target, step, attempts, created_at, worker, every_ms";

/// A row of [`claim`].
///
/// # Errors
/// When the row is of another shape.
pub fn claimed(row: &Row) -> Result<Claimed, DbError> {
    Ok(Claimed {
        owner: row.parse(0)?,
        id: row.parse(1)?,
        kind: row.text(2)?.to_owned(),
        subject: row.text(3)?.to_owned(),
        payload: row.text(4)?.to_owned(),
        attempt: u32::try_from(row.count(5)?).unwrap_or(u32::MAX),
        created_at: row.time(6)?,
        worker: row.parse(7)?,
        every: row.opt_int(8)?.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis),
    })
}

/// These workers are at work: each keeps its steps for `held` from now on, but no step longer than the lease of its kind, all
/// in all. `leases` is a JSON object: those leases in milliseconds.
pub fn prolong(workers: &[WorkerId], leases: &str, held: Duration, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET run_after = max(run_after, min(?3, updated_at
            + coalesce((SELECT value FROM json_each(?2) WHERE key = jobs.kind), 0)))
         WHERE state = 'running' AND worker IN (SELECT value FROM json_each(?1))",
    )
    .bind(serde_json::json!(workers).to_string())
    .bind(leases)
    .bind(now.after(held))
}

/// Refuses the whole batch, as a conflict, when the job is another worker's by now or gone: a row that the table cannot
/// hold is inserted then.
pub fn fence(job: &Claimed) -> Statement {
    Statement::new(
        "INSERT INTO jobs (org_id) SELECT NULL WHERE NOT EXISTS (
            SELECT 1 FROM jobs WHERE org_id = ?1 AND id = ?2 AND worker = ?3 AND state = 'running')",
    )
    .bind_id(job.owner)
    .bind_id(job.id)
    .bind_id(job.worker)
}

/// A step is done: the next one is due, and has all its attempts.
pub fn update_step(job: &Claimed, payload: &str, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', attempts = 0, worker = NULL, last_error = NULL, step = ?3, run_after = ?4,
            updated_at = ?4
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(job.owner)
    .bind_id(job.id)
    .bind(payload)
    .bind(now)
}

/// Another attempt at the same step from `run_after` on.
pub fn update_retry(job: &Claimed, run_after: Timestamp, error: &str, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', worker = NULL, run_after = ?3, last_error = ?4, updated_at = ?5
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(job.owner)
    .bind_id(job.id)
    .bind(run_after)
    .bind(error)
    .bind(now)
}

/// One that repeats begins again at `run_after`.
pub fn update_repeat(job: &Claimed, run_after: Timestamp, error: Option<&str>, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', attempts = 0, worker = NULL, step = '{}', run_after = ?3, last_error = ?4,
            updated_at = ?5
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind_id(job.owner)
    .bind_id(job.id)
    .bind(run_after)
    .bind(error)
    .bind(now)
}

/// Done: the row goes.
pub fn delete(job: &Claimed) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND id = ?2").bind_id(job.owner).bind_id(job.id)
}

/// Given up: the row stays, and of its owner's dead ones the newest `most`.
pub fn update_dead(job: &Claimed, error: &str, most: u32, now: Timestamp) -> [Statement; 2] {
    [
        Statement::new(
            "UPDATE jobs SET state = 'dead', worker = NULL, last_error = ?3, updated_at = ?4
             WHERE org_id = ?1 AND id = ?2",
        )
        .bind_id(job.owner)
        .bind_id(job.id)
        .bind(error)
        .bind(now),
        Statement::new(
            "DELETE FROM jobs WHERE (org_id, id) IN (
                SELECT org_id, id FROM jobs WHERE org_id = ?1 AND state = 'dead'
                ORDER BY updated_at DESC, id DESC LIMIT -1 OFFSET ?2)",
        )
        .bind_id(job.owner)
        .bind(most),
    ]
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadJob {
    /// Its id.
    pub id: JobId,
    /// The name of its kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// How often its last step was tried.
    pub attempts: u32,
    /// Why the last attempt failed, for a person.
    pub error: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was given up.
    pub given_up_at: Timestamp,
}

/// An organisation's dead jobs, newest first.
pub fn select_dead(scope: &TenantScope, limit: u32) -> Statement {
    Statement::new(
        "SELECT id, kind, target, attempts, coalesce(last_error, ''), created_at, updated_at FROM jobs
         WHERE org_id = ?1 AND state = 'dead' ORDER BY updated_at DESC, id DESC LIMIT ?2",
    )
    .bind_id(scope.org())
    .bind(limit)
}

/// A row of [`select_dead`].
///
/// # Errors
/// When the row is of another shape.
pub fn dead(row: &Row) -> Result<DeadJob, DbError> {
    Ok(DeadJob {
        id: row.parse(0)?,
        kind: row.text(1)?.to_owned(),
        subject: row.text(2)?.to_owned(),
        attempts: u32::try_from(row.count(3)?).unwrap_or(u32::MAX),
        error: row.text(4)?.to_owned(),
        created_at: row.time(5)?,
        given_up_at: row.time(6)?,
    })
}

/// A dead job is due again where it stopped, with all its attempts.
pub fn update_revive(scope: &TenantScope, id: JobId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE jobs SET state = 'queued', attempts = 0, run_after = ?3, updated_at = ?3
         WHERE org_id = ?1 AND id = ?2 AND state = 'dead'",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(now)
}

/// Up to `limit` dead jobs that were given up before `before` go, and who has had no turn since `idle` is forgotten.
pub fn delete_old(before: Timestamp, idle: Timestamp, limit: u32) -> [Statement; 2] {
    [
        Statement::new(
            "DELETE FROM jobs WHERE (org_id, id) IN (
                SELECT org_id, id FROM jobs WHERE state = 'dead' AND updated_at < ?1 LIMIT ?2)",
        )
        .bind(before)
        .bind(limit),
        Statement::new("DELETE FROM job_turns WHERE served_at < ?1").bind(idle),
    ]
}

/// How many jobs there are at most in one of the counts of [`select_depth`]; more are not counted.
pub const MOST_COUNTED: u32 = 10_000;

/// How much there is to do: jobs of these kinds that are due, since when the first one is, open jobs of other kinds, and dead
/// ones.
pub fn select_depth(kinds: &str, now: Timestamp) -> Statement {
    Statement::new(
        "SELECT
            (SELECT count(*) FROM (
                SELECT 1 FROM json_each(?1) k CROSS JOIN jobs j
                WHERE j.kind = k.key AND j.state IN ('queued', 'running') AND j.run_after <= ?2 LIMIT ?3)),
            (SELECT min((SELECT min(run_after) FROM jobs WHERE kind = k.key AND state IN ('queued', 'running')))
             FROM json_each(?1) k),
            (SELECT count(*) FROM (
                SELECT 1 FROM jobs
                WHERE state IN ('queued', 'running') AND kind NOT IN (SELECT key FROM json_each(?1)) LIMIT ?3)),
            (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = 'dead' LIMIT ?3))",
    )
    .bind(kinds)
    .bind(now)
    .bind(MOST_COUNTED)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
