DROP TABLE rate_limits;
DROP TABLE usage;
DROP TABLE audit;
DROP TABLE settings;
DROP TABLE logins;
DROP TABLE users;
