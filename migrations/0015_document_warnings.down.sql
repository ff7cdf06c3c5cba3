ALTER TABLE documents DROP COLUMN warnings;
