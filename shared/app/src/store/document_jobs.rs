//! The jobs of documents in `jobs`, as far as they hang together with `documents`.

use frontdesk_domain::id::{DocumentId, JobId, WorkerId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Statement;

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

/// The documents whose jobs `worker` has just claimed are being read.
pub fn update_processing(worker: WorkerId, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE documents SET status = 'processing', updated_at = ?2 WHERE status = 'queued' AND (org_id, id) IN (
            SELECT org_id, target FROM jobs WHERE state = 'running' AND worker = ?1 AND kind = 'ingest')",
    )
    .bind_id(worker)
    .bind(now)
}

/// This document is not read any more.
pub fn delete_ingest(scope: &TenantScope, document: DocumentId) -> Statement {
    Statement::new("DELETE FROM jobs WHERE org_id = ?1 AND target = ?2 AND kind = 'ingest'")
        .bind_id(scope.org())
        .bind_id(document)
}
