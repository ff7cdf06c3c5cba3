CREATE TABLE users (
    org_id        TEXT NOT NULL REFERENCES organisations (id),
    id            TEXT NOT NULL,
    email         TEXT NOT NULL UNIQUE, -- lower case
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,        -- argon2id, PHC string
    created_at    INTEGER NOT NULL,
    disabled_at   INTEGER,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;

-- One row per login: the family of its refresh tokens.
CREATE TABLE logins (
    org_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    token_hash TEXT NOT NULL,           -- of the one refresh token that is valid now
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    org_id     TEXT PRIMARY KEY,
    version    INTEGER NOT NULL,
    changed    TEXT NOT NULL,           -- JSON: only what differs from the defaults
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    org_id TEXT NOT NULL,
    id     TEXT NOT NULL,
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,               -- JSON, without secrets and message texts
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
    org_id            TEXT NOT NULL,
    day               TEXT NOT NULL,    -- UTC, 2026-01-31
    model             TEXT NOT NULL,    -- empty when no model was asked
    turns             INTEGER NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (org_id, day, model)
) STRICT, WITHOUT ROWID;

-- Not a tenant table: keys are hashes.
CREATE TABLE rate_limits (
    key        TEXT PRIMARY KEY,
    full_at    INTEGER NOT NULL,        -- microseconds: when the whole allowance is there again
    refused    INTEGER NOT NULL         -- whether the last attempt was: one statement decides and tells
) STRICT, WITHOUT ROWID;
