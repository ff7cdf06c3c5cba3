DROP TABLE jobs;
DROP TABLE document_texts;
DROP TABLE documents;
