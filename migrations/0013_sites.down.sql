ALTER TABLE sites DROP COLUMN deleted_at;
ALTER TABLE sites DROP COLUMN updated_at;
ALTER TABLE sites DROP COLUMN version;
