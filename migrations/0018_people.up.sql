-- A person is one row of `users`, with one password, and may be a member of several organisations. `users.org_id` and
-- `users.role` say what versions before this step know: the organisation in which the person was made. `users.disabled_at` is
-- that organisation's, too; whether a member may come in, `members` says.
CREATE TABLE members (
    org_id      TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    role        TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER,
    removed_at  INTEGER,             -- the row stays: conversations and the audit name its person
    changed_at  INTEGER NOT NULL,    -- when role, disabled_at or removed_at changed last
    PRIMARY KEY (org_id, user_id)
) STRICT, WITHOUT ROWID;
-- A person's memberships are read before an organisation is chosen.
CREATE INDEX members_by_user ON members (user_id, org_id);
CREATE INDEX members_by_change ON members (org_id, changed_at);
INSERT INTO members (org_id, user_id, role, created_at, disabled_at, changed_at)
    SELECT org_id, id, role, created_at, disabled_at, coalesce(disabled_at, created_at) FROM users;
-- Persons are found by their id before an organisation is chosen.
CREATE INDEX users_by_id ON users (id);

-- A login is a person's, in one of its organisations at a time.
ALTER TABLE logins ADD COLUMN in_org TEXT;          -- the organisation chosen last; without it `org_id`
ALTER TABLE logins ADD COLUMN used_at INTEGER;      -- when it was exchanged last
ALTER TABLE logins ADD COLUMN address TEXT;         -- where it began, as it is counted: IPv6 by /64
ALTER TABLE logins ADD COLUMN client TEXT;          -- with which program, as that says itself
CREATE INDEX logins_by_user ON logins (user_id, expires_at);
CREATE INDEX logins_by_end ON logins (revoked_at) WHERE revoked_at IS NOT NULL;

CREATE TABLE invites (
    org_id      TEXT NOT NULL,
    id          TEXT NOT NULL,
    email       TEXT NOT NULL,       -- as in users
    role        TEXT NOT NULL,
    invited_by  TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    accepted_at INTEGER,
    accepted_by TEXT,                -- the login that accepting it began
    revoked_at  INTEGER,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_by_email ON invites (org_id, email);

-- Sites, and later connectors, belong to a project. Each organisation has one from the beginning, whose id has the same number
-- as the organisation's.
CREATE TABLE projects (
    org_id     TEXT NOT NULL,
    id         TEXT NOT NULL,
    name       TEXT NOT NULL,
    version    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO projects (org_id, id, name, version, created_at, updated_at)
    SELECT id, 'proj_' || substr(id, 5), name, 1, created_at, created_at FROM organisations;
-- Without it the organisation's first one.
ALTER TABLE sites ADD COLUMN project_id TEXT;
