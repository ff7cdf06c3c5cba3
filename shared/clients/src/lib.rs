//! Protocols spoken through ports.

pub mod breaker;
pub mod openai;
