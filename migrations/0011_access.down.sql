DROP TABLE upload_totals;
DROP TABLE attachments;
DROP INDEX uploads_to_sweep;
DROP INDEX uploads_by_visitor;
ALTER TABLE uploads DROP COLUMN sweep_at;
ALTER TABLE uploads DROP COLUMN state;
ALTER TABLE logins DROP COLUMN rotated_at;
