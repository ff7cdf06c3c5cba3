-- Times are integer milliseconds since 1970. Every tenant table starts with org_id, and so does every index on it.

CREATE TABLE organisations (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE sites (
    org_id     TEXT NOT NULL REFERENCES organisations (id),
    id         TEXT NOT NULL,
    site_key   TEXT NOT NULL UNIQUE, -- public: stands in the page
    name       TEXT NOT NULL,
    origins    TEXT NOT NULL,        -- JSON array of exact origins
    theme      TEXT NOT NULL,        -- JSON object
    greeting   TEXT NOT NULL,        -- JSON object: language → text
    locale     TEXT NOT NULL,        -- the language when a visitor's is not known
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE visitors (
    org_id       TEXT NOT NULL,
    id           TEXT NOT NULL,
    site_id      TEXT NOT NULL,
    locale       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;

-- The head of each room; the events are the truth it is folded from.
CREATE TABLE conversations (
    org_id      TEXT NOT NULL,
    id          TEXT NOT NULL,
    site_id     TEXT NOT NULL,
    visitor_id  TEXT NOT NULL,
    mode        TEXT NOT NULL,
    status      TEXT NOT NULL,
    epoch       INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    open_turn   TEXT,                -- JSON of the turn in progress
    lease_until INTEGER,             -- of the turn in progress
    unanswered  INTEGER,             -- seq of the last visitor message without a turn
    assignee    TEXT,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,    -- when the last event was stored
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversations_by_visitor ON conversations (org_id, visitor_id, created_at);
CREATE INDEX conversations_with_turn ON conversations (org_id, lease_until) WHERE open_turn IS NOT NULL;

-- The log. The primary key makes seq dense under concurrency: of two appends at the same seq one fails whole.
CREATE TABLE events (
    org_id          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    at              INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    body            TEXT NOT NULL,   -- JSON
    message_id      TEXT,            -- of message.created
    client_key      TEXT,            -- author and client_id of message.created: once per conversation
    PRIMARY KEY (org_id, conversation_id, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_by_client_key ON events (org_id, conversation_id, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX events_by_message ON events (org_id, message_id) WHERE message_id IS NOT NULL;
