//! One-machine host: embedded libSQL file, in-process rooms, disk blobs.
//!
//! One thread runs the core; the database, file parsing and password hashing run on others, so that every room has a home
//! thread and nothing needs a lock.

mod cli;
mod database;
mod host;
mod runtime;
mod secrets;
mod seed;
mod server;
pub mod testing;
mod web;

pub use cli::main;
pub use database::LibsqlDatabase;
pub use host::{Host, HostOptions, Overrides};
pub use runtime::{BlockingCompute, LocalTasks, OsRandom, SystemClock};
pub use server::serve;
