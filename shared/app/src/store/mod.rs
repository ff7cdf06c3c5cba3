//! All SQL, one file per table: functions that make statements and read rows. Use cases make the ids and times.

pub mod audit;
pub mod logins;
pub mod rate_limits;
pub mod settings;
pub mod usage;
pub mod users;
