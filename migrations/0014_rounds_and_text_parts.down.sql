DROP TABLE document_text_parts;
DROP TABLE rounds;
