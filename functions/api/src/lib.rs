//! The only HTTP surface of Frontdesk: [`handle`], and one file per function.

pub mod body;
mod call;
mod chat;
mod cors;
mod health;
pub mod openapi;
mod problem;
mod rate_limit;
mod router;
mod sse;
mod widget;

pub use body::{Body, BodyError};
pub use call::Peer;
pub use problem::Problem;
pub use router::handle;
