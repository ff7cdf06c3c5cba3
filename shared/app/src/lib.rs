//! Use cases and all SQL.

pub mod audit;
pub mod auth;
pub mod health;
pub mod limits;
pub mod settings;
pub mod store;
pub mod usage;
