-- Keys with which programs call the API. Of the key itself its hash is stored.
CREATE TABLE api_keys (
    org_id      TEXT NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    hash        BLOB NOT NULL,       -- SHA-256 of the whole text
    addresses   TEXT NOT NULL,       -- JSON: the networks from which it counts; none is everywhere
    created_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    used_at     INTEGER,             -- within a minute
    deleted_at  INTEGER,             -- the row stays for a day at least: connections by the key end by it
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
-- A key is found by its id before its organisation is known.
CREATE UNIQUE INDEX api_keys_by_id ON api_keys (id);
CREATE INDEX api_keys_by_end ON api_keys (org_id, deleted_at) WHERE deleted_at IS NOT NULL;
