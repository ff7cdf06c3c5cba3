-- What the older queue cannot carry goes: jobs that were given up, and kinds that it does not know.
DELETE FROM jobs WHERE state = 'dead' OR kind NOT IN ('ingest', 'purge');
DROP TABLE job_turns;
DROP TABLE probes;
DROP INDEX jobs_dead;
DROP INDEX jobs_by_worker;
DROP INDEX jobs_by_kind;
DROP INDEX jobs_by_owner;
DROP INDEX jobs_by_key;
ALTER TABLE jobs DROP COLUMN last_error;
ALTER TABLE jobs DROP COLUMN every_ms;
ALTER TABLE jobs DROP COLUMN dedup_key;
ALTER TABLE jobs DROP COLUMN priority;
