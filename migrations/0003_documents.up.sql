CREATE TABLE documents (
    org_id       TEXT NOT NULL,
    id           TEXT NOT NULL,
    title        TEXT NOT NULL,
    source       TEXT NOT NULL,         -- file, text, url
    url          TEXT,
    name         TEXT,                  -- of the uploaded file
    media_type   TEXT,                  -- by content, once known
    bytes        INTEGER NOT NULL,
    content_hash TEXT,                  -- SHA-256 of the bytes of the current version
    version      INTEGER NOT NULL,      -- the version that is searched; 0 before the first is ready
    language     TEXT,                  -- ISO 639-3
    status       TEXT NOT NULL,         -- queued, processing, ready, failed
    progress     INTEGER NOT NULL,      -- per cent
    reason       TEXT,                  -- of a failure, for a person
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX documents_by_hash ON documents (org_id, content_hash);

-- The extracted text that byte offsets refer to.
CREATE TABLE document_texts (
    org_id      TEXT NOT NULL,
    document_id TEXT NOT NULL,
    version     INTEGER NOT NULL,
    text        TEXT NOT NULL,
    pages       INTEGER,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (org_id, document_id, version)
) STRICT;

CREATE TABLE jobs (
    org_id      TEXT NOT NULL,
    id          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    target      TEXT NOT NULL,          -- the document's id
    payload     TEXT NOT NULL,          -- JSON
    state       TEXT NOT NULL,          -- queued, running, done, failed
    attempts    INTEGER NOT NULL,
    run_after   INTEGER NOT NULL,
    lease_until INTEGER,
    worker      TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_due ON jobs (org_id, state, run_after);
