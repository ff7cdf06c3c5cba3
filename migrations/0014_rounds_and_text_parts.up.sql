-- What any process of a deployment may do and one of them does once in a while, and when it was last done.
CREATE TABLE rounds (
    name    TEXT PRIMARY KEY,
    done_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The text of a version in parts, as a server may refuse a row of several megabytes. `start` is a part's first byte in the
-- whole text and `bytes` how many it has. What versions from before have in `document_texts.text` comes before their parts.
CREATE TABLE document_text_parts (
    org_id      TEXT NOT NULL,
    document_id TEXT NOT NULL,
    version     INTEGER NOT NULL,
    start       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    text        TEXT NOT NULL,
    PRIMARY KEY (org_id, document_id, version, start)
) STRICT;
