DROP TABLE events;
DROP TABLE conversations;
DROP TABLE visitors;
DROP TABLE sites;
DROP TABLE organisations;
