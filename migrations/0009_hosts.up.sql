-- Signs of life of what uses this database, each good until `alive_until`: `migrate down` refuses while there is one.
CREATE TABLE hosts (
    id          TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,          -- local, spin, cloudflare
    version     TEXT NOT NULL,          -- of Frontdesk
    seen_at     INTEGER NOT NULL,
    alive_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
