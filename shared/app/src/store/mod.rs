//! All SQL of Frontdesk, one file per table: functions that make statements, and functions that read rows.

pub mod audit;
pub mod blobs;
pub mod conversations;
pub mod document_jobs;
pub mod documents;
pub mod events;
pub mod feed;
pub mod hosts;
pub mod jobs;
pub mod live_answers;
pub mod logins;
pub mod migrations;
pub mod outbox;
pub mod own_schema;
pub mod passage_pages;
pub mod passages;
pub mod probe;
pub mod rate_limits;
pub mod settings;
pub mod sites;
pub mod tenancy;
pub mod uploads;
pub mod usage;
pub mod users;
pub mod vectors;
