-- The pieces of documents that are searched and cited. A row is found only while its version is the document's current one.
CREATE TABLE passages (
    org_id      TEXT NOT NULL,
    id          TEXT NOT NULL,
    n           INTEGER PRIMARY KEY,    -- the row of passages_fts
    document_id TEXT NOT NULL,
    version     INTEGER NOT NULL,
    ordinal     INTEGER NOT NULL,       -- from 0 in the document
    start       INTEGER NOT NULL,       -- bytes in the extracted text
    "end"       INTEGER NOT NULL,
    heading     TEXT,                   -- path of headings, outermost first
    text        TEXT NOT NULL,
    tokens      INTEGER NOT NULL,       -- terms that are indexed of title, heading and text
    created_at  INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX passages_by_id ON passages (org_id, id);
CREATE UNIQUE INDEX passages_by_document ON passages (org_id, document_id, version, ordinal, tokens);

-- Every term starts with its organisation's key (app/store/passages.rs). So the posting lists of an organisation are its
-- own: no query reads another tenant's entries, and counts over a term are counts of one organisation. Contentless: the
-- text is in `passages`. The `ascii` tokenizer leaves every letter beyond ASCII as it is.
CREATE VIRTUAL TABLE passages_fts USING fts5 (
    title, heading, body,
    content = '', contentless_delete = 1, tokenize = "ascii tokenchars '_'"
);
-- Where each term occurs: (term, doc, col, offset).
CREATE VIRTUAL TABLE passages_terms USING fts5vocab ('passages_fts', 'instance');

-- What BM25 needs to know of an organisation as a whole; kept by the statements that write passages.
CREATE TABLE passage_stats (
    org_id    TEXT PRIMARY KEY,
    documents INTEGER NOT NULL,
    passages  INTEGER NOT NULL,
    tokens    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE passage_vectors (
    org_id      TEXT NOT NULL,
    model       TEXT NOT NULL,
    passage_id  TEXT NOT NULL,
    document_id TEXT NOT NULL,
    version     INTEGER NOT NULL,
    vector      BLOB NOT NULL,          -- 32-bit floats, little endian
    PRIMARY KEY (org_id, model, passage_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX passage_vectors_by_document ON passage_vectors (org_id, document_id, version);
