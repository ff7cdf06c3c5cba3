//! All SQL of Frontdesk, one file per table: functions that make statements, and functions that read rows.

pub mod documents;
pub mod jobs;
pub mod passages;
pub mod uploads;
pub mod vectors;
