//! Use cases and all SQL of Frontdesk. Knows no runtime: everything outside comes through `frontdesk_ports`.

pub mod audit;
pub mod auth;
pub mod blobs;
pub mod chat;
pub mod config;
pub mod documents;
pub mod feed;
pub mod health;
pub mod ingest;
pub mod jobs;
pub mod life;
pub mod limits;
pub mod migrations;
pub mod reindex;
pub mod remote;
pub mod retrieval;
pub mod rooms;
pub mod schema;
pub mod search;
pub mod settings;
mod store;
pub mod tenancy;
pub mod turn;
pub mod uploads;
pub mod usage;
pub mod vectors;
pub mod widget;
