-- Files of hosts that have neither a disk nor a bucket, in parts of at most 1 MiB.
CREATE TABLE blob_parts (
    org_id TEXT NOT NULL,
    name   TEXT NOT NULL,           -- kind/id
    part   INTEGER NOT NULL,        -- from 0
    size   INTEGER NOT NULL,        -- of the whole file
    hash   TEXT NOT NULL,           -- SHA-256 of the whole file, so that parts of two are told apart
    bytes  BLOB NOT NULL,
    PRIMARY KEY (org_id, name, part)
) STRICT, WITHOUT ROWID;
