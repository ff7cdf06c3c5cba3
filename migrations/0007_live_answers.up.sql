-- What a turn has said so far, for listeners of other processes; a row is there while one of them watches.
CREATE TABLE live_answers (
    org_id          TEXT NOT NULL,
    conversation_id TEXT NOT NULL,
    turn            TEXT NOT NULL,
    attempt         INTEGER NOT NULL,
    text            TEXT NOT NULL,
    watched_until   INTEGER NOT NULL,
    PRIMARY KEY (org_id, conversation_id)
) STRICT, WITHOUT ROWID;
