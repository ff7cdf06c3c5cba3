//! Protocols spoken through ports.

mod body;
pub mod bounded;
pub mod breaker;
pub mod openai;
pub mod qdrant;
mod retry;
