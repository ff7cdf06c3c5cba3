-- A new version of a document is made in steps: its text is there before its passages are, and both before it is searched.
-- While they are indexed, `spans` says where in the text each of them stands: JSON, [[start, end, heading], …].
ALTER TABLE document_texts ADD COLUMN spans TEXT;
-- How far a job is, as JSON. Each step that is done moves it on.
ALTER TABLE jobs RENAME COLUMN payload TO step;
-- `run_after` says it for both: when a waiting job may run, and until when a running one is its worker's.
ALTER TABLE jobs DROP COLUMN lease_until;
