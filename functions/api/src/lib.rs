//! The only HTTP surface of Frontdesk: [`handle`], and one file per function.

mod auth;
pub mod body;
mod call;
mod chat;
mod cors;
mod documents;
mod health;
mod machine;
mod metrics;
pub mod openapi;
mod problem;
mod rate_limit;
mod rooms;
mod router;
mod search;
mod settings;
pub mod socket;
mod sse;
mod standing;
mod upload;
mod usage;
mod widget;

pub use body::{Body, BodyError, lingering};
pub use call::Peer;
pub use problem::Problem;
pub use router::handle;
