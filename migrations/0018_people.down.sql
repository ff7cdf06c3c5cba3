ALTER TABLE sites DROP COLUMN project_id;
DROP TABLE projects;
DROP TABLE invites;
DROP INDEX logins_by_end;
DROP INDEX logins_by_user;
ALTER TABLE logins DROP COLUMN client;
ALTER TABLE logins DROP COLUMN address;
ALTER TABLE logins DROP COLUMN used_at;
ALTER TABLE logins DROP COLUMN in_org;
DROP INDEX users_by_id;
-- What earlier versions go by: a person is let in where it was made, if it may come in there.
UPDATE users SET
    role = coalesce((SELECT m.role FROM members m WHERE m.org_id = users.org_id AND m.user_id = users.id), role),
    disabled_at = (SELECT coalesce(m.disabled_at, m.removed_at) FROM members m
                   WHERE m.org_id = users.org_id AND m.user_id = users.id);
DROP TABLE members;
