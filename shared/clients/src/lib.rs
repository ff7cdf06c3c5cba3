//! Protocols spoken through ports.

pub mod bounded;
