-- What could not be read of the version that is searched: a JSON array of objects, null when all of it was.
ALTER TABLE documents ADD COLUMN warnings TEXT;
