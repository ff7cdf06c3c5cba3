//! Use cases and all SQL.

pub mod retrieval;
mod store;
pub mod vectors;
