DROP INDEX documents_by_url;
DROP INDEX jobs_by_target;
DROP INDEX jobs_open;
DROP TABLE uploads;
