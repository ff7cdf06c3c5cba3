//! All SQL of Frontdesk, one file per table: functions that make statements, and functions that read rows.

pub mod conversations;
pub mod events;
pub mod migrations;
pub mod tenancy;
