//! Protocols spoken through ports.

mod body;
pub mod bounded;
pub mod breaker;
pub mod hrana;
pub mod openai;
pub mod qdrant;
mod retry;
pub mod s3;
