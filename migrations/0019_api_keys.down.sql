DROP INDEX api_keys_by_end;
DROP INDEX api_keys_by_id;
DROP TABLE api_keys;
