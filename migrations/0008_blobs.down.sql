DROP TABLE blob_parts;
