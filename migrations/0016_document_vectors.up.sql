-- Of which embedding model the vectors of a document's version are. A document whose row is missing, or names another
-- version, model or length, is searched by words until its vectors are made; the model is empty where they were put off.
CREATE TABLE document_vectors (
    org_id      TEXT NOT NULL,
    document_id TEXT NOT NULL,
    version     INTEGER NOT NULL,
    model       TEXT NOT NULL,
    length      INTEGER NOT NULL,       -- of each vector, in numbers; 0 where it is not known
    PRIMARY KEY (org_id, document_id)
) STRICT, WITHOUT ROWID;

INSERT INTO document_vectors (org_id, document_id, version, model, length)
SELECT d.org_id, d.id, d.version, min(v.model), min(length(v.vector)) / 4
FROM documents d
JOIN passage_vectors v ON v.org_id = d.org_id AND v.document_id = d.id AND v.version = d.version
GROUP BY d.org_id, d.id;
