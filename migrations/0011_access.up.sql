-- When the refresh token of a login was exchanged last: for a short while that exchange may be repeated.
ALTER TABLE logins ADD COLUMN rotated_at INTEGER;

-- How far a file is: storing, stored, removing.
ALTER TABLE uploads ADD COLUMN state TEXT NOT NULL DEFAULT 'stored';
-- When it goes unless a message names it; NULL once one does, and for files from before this was kept.
ALTER TABLE uploads ADD COLUMN sweep_at INTEGER;
CREATE INDEX uploads_by_visitor ON uploads (org_id, visitor_id, created_at);
-- Swept across organisations, so this one index does not start with the organisation.
CREATE INDEX uploads_to_sweep ON uploads (sweep_at) WHERE sweep_at IS NOT NULL;

-- Which messages are to name an upload. Written before the message is: the log says whether it was stored.
CREATE TABLE attachments (
    org_id     TEXT NOT NULL,
    upload_id  TEXT NOT NULL,
    message_id TEXT NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (org_id, upload_id, message_id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO attachments (org_id, upload_id, message_id, at)
    SELECT e.org_id, a.value, e.message_id, e.at FROM events e, json_each(e.body, '$.message.attachments') a
    WHERE e.kind = 'message.created' AND e.message_id IS NOT NULL;

-- What the uploads of an organisation take together; kept by the statements that write uploads.
CREATE TABLE upload_totals (
    org_id TEXT PRIMARY KEY,
    bytes  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO upload_totals (org_id, bytes) SELECT org_id, sum(bytes) FROM uploads GROUP BY org_id;
