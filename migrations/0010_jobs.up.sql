-- Jobs of any kind: `target` is what a job is about, `step` how far it is. A job of no organisation has 'deployment' as its
-- `org_id`. Besides queued and running there is the state dead: given up, kept for a person to see and to begin again.
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
-- Of the open jobs of an organisation and a kind, at most one has the same key.
ALTER TABLE jobs ADD COLUMN dedup_key TEXT;
-- When it is done it begins again after so many milliseconds.
ALTER TABLE jobs ADD COLUMN every_ms INTEGER;
-- Why the last attempt failed, for a person.
ALTER TABLE jobs ADD COLUMN last_error TEXT;
CREATE UNIQUE INDEX jobs_by_key ON jobs (org_id, kind, dedup_key)
    WHERE dedup_key IS NOT NULL AND state IN ('queued', 'running');
-- An organisation's next jobs, and which organisations have any.
CREATE INDEX jobs_by_owner ON jobs (org_id, priority DESC, run_after) WHERE state IN ('queued', 'running');
-- When the next job of a kind is due. Kinds that a version does not know are passed over.
CREATE INDEX jobs_by_kind ON jobs (kind, run_after) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_worker ON jobs (worker) WHERE state = 'running';
CREATE INDEX jobs_dead ON jobs (org_id, updated_at) WHERE state = 'dead';
-- `/health` writes here, as what can only be read is no database to work with.
CREATE TABLE probes (
    name       TEXT NOT NULL,
    written_at INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;
-- Whose turn was when: who has waited longest comes next.
CREATE TABLE job_turns (
    org_id    TEXT NOT NULL,
    served_at INTEGER NOT NULL,
    PRIMARY KEY (org_id)
) STRICT, WITHOUT ROWID;
