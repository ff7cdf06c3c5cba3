//! What stands before every call: logins, settings, rate limits, health. Over the API's one entry and the real database.

mod accounts;
mod client;
mod faults;
mod heads;
mod health;
mod keys;
mod limits;
mod logins;
mod nul;
mod papers;
mod people;
mod projects;
mod ratings;
mod settings;
mod sites;
mod sockets;
mod streams;
mod uploads;
