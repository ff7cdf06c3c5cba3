//! Protocols spoken through ports.

pub mod bounded;
pub mod breaker;
pub mod openai;
