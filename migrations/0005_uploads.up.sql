-- Files that were uploaded to be attached to a message. The file itself is a blob.
CREATE TABLE uploads (
    org_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    visitor_id TEXT,                -- who uploaded it: a visitor or a user
    user_id    TEXT,
    name       TEXT NOT NULL,       -- without a path
    media_type TEXT NOT NULL,       -- by content
    bytes      INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;

-- The queue is claimed across organisations, so this one index does not start with the organisation.
CREATE INDEX jobs_open ON jobs (run_after) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_by_target ON jobs (org_id, target);
CREATE INDEX documents_by_url ON documents (org_id, url) WHERE url IS NOT NULL;
