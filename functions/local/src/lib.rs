//! One-machine host: embedded libSQL file, in-process rooms, disk blobs.
//!
//! One thread runs the core; the database, file parsing and password hashing run on others, so that every room has a home
//! thread and nothing needs a lock.

pub mod blobs;
mod cli;
mod counted;
pub mod database;
pub mod demo_documents;
pub mod extractor;
pub mod host;
pub mod http_client;
pub mod limiter;
pub mod private;
mod queued;
pub mod runtime;
pub mod secrets;
mod seed;
pub mod server;
mod sites;
mod socket;
pub mod spool;
pub mod testing;
mod web;

pub use cli::main;
pub use database::LibsqlDatabase;
pub use host::{Host, HostOptions, Overrides};
pub use runtime::{OsRandom, SystemClock};
