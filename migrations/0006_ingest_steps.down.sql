ALTER TABLE jobs ADD COLUMN lease_until INTEGER;
ALTER TABLE jobs RENAME COLUMN step TO payload;
ALTER TABLE document_texts DROP COLUMN spans;
