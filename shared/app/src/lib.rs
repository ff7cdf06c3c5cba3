//! Use cases and all SQL.
