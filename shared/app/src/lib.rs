//! Use cases and all SQL.

pub mod documents;
pub mod ingest;
pub mod jobs;
pub mod retrieval;
mod store;
pub mod uploads;
pub mod vectors;
