-- What an inbox shows of a conversation and sorts by, kept with its head. `labels` is a JSON array of texts, `last_message`
-- a JSON object: seq, at, author, preview.
ALTER TABLE conversations ADD COLUMN channel TEXT NOT NULL DEFAULT 'widget';
ALTER TABLE conversations ADD COLUMN labels TEXT NOT NULL DEFAULT '[]';
ALTER TABLE conversations ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE conversations ADD COLUMN snoozed_until INTEGER;
ALTER TABLE conversations ADD COLUMN waiting_since INTEGER;
ALTER TABLE conversations ADD COLUMN last_message TEXT;
ALTER TABLE conversations ADD COLUMN unread_visitor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversations ADD COLUMN unread_operators INTEGER NOT NULL DEFAULT 0;

-- Who keeps the log of a conversation: '' is this database, otherwise the name of the object that took it over. Only the
-- owner's appends are stored.
ALTER TABLE conversations ADD COLUMN log_owner TEXT NOT NULL DEFAULT '';

-- What is known of conversations from before.
UPDATE conversations SET
    last_message = (
        SELECT json_object(
            'seq', e.seq,
            'at', strftime('%Y-%m-%dT%H:%M:%fZ', e.at / 1000.0, 'unixepoch'),
            'author', json_extract(e.body, '$.message.author'),
            'preview', substr(json_extract(e.body, '$.message.text'), 1, 200))
        FROM events e
        WHERE e.org_id = conversations.org_id AND e.conversation_id = conversations.id AND e.kind = 'message.created'
            AND coalesce(json_extract(e.body, '$.message.note'), 0) = 0
        ORDER BY e.seq DESC LIMIT 1),
    waiting_since = CASE WHEN status = 'waiting' THEN updated_at END,
    unread_visitor = (
        SELECT count(*) FROM events e
        WHERE e.org_id = conversations.org_id AND e.conversation_id = conversations.id AND e.kind = 'message.created'
            AND coalesce(json_extract(e.body, '$.message.note'), 0) = 0
            AND json_extract(e.body, '$.message.author.kind') IN ('ai', 'operator')
            AND e.seq > coalesce((
                SELECT max(json_extract(r.body, '$.upto')) FROM events r
                WHERE r.org_id = e.org_id AND r.conversation_id = e.conversation_id AND r.kind = 'read'
                    AND json_extract(r.body, '$.by.kind') = 'visitor'), 0)),
    unread_operators = (
        SELECT count(*) FROM events e
        WHERE e.org_id = conversations.org_id AND e.conversation_id = conversations.id AND e.kind = 'message.created'
            AND json_extract(e.body, '$.message.author.kind') = 'visitor'
            AND e.seq > coalesce((
                SELECT max(json_extract(r.body, '$.upto')) FROM events r
                WHERE r.org_id = e.org_id AND r.conversation_id = e.conversation_id AND r.kind = 'read'
                    AND json_extract(r.body, '$.by.kind') = 'operator'), 0));

-- Turns whose lease is over are looked for across organisations, so this index does not start with one.
CREATE INDEX conversations_by_lease ON conversations (lease_until, id) WHERE open_turn IS NOT NULL;

-- Every stored event once more, in one dense order for each organisation: what inbox, webhooks, connectors, reports and
-- search go through from where they were. `at` is when the event was stored.
CREATE TABLE feed (
    org_id          TEXT NOT NULL,
    position        INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    seq             INTEGER NOT NULL,
    kind            TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (org_id, position)
) STRICT, WITHOUT ROWID;

-- Events from before there was a feed, in the order in which they were stored.
INSERT INTO feed (org_id, position, conversation_id, seq, kind, at)
SELECT org_id, row_number() OVER (PARTITION BY org_id ORDER BY at, conversation_id, seq), conversation_id, seq, kind, at
FROM events;

-- How far each reader of the feed is: the position of the last entry that it dealt with.
CREATE TABLE feed_cursors (
    org_id     TEXT NOT NULL,
    name       TEXT NOT NULL,
    position   INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

-- What each call to a model cost, however its turn ended. `n` counts the calls of an attempt from 0; `estimated` tells that
-- the provider did not count, `used` that the answer was shown in the end.
CREATE TABLE model_calls (
    org_id            TEXT NOT NULL,
    turn              TEXT NOT NULL,
    attempt           INTEGER NOT NULL,
    n                 INTEGER NOT NULL,
    model             TEXT NOT NULL,
    prompt_tokens     INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    estimated         INTEGER NOT NULL,
    used              INTEGER NOT NULL,
    at                INTEGER NOT NULL,
    PRIMARY KEY (org_id, turn, attempt, n)
) STRICT, WITHOUT ROWID;
