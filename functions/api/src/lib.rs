//! The only HTTP surface of Frontdesk: [`handle`], and one file per function.

mod accept;
mod account;
mod auth;
pub mod body;
mod call;
mod chat;
mod cors;
mod description;
mod documents;
mod health;
mod machine;
mod members;
mod metrics;
pub mod openapi;
mod origin;
mod problem;
mod projects;
mod rate_limit;
mod rooms;
mod router;
mod routes;
mod search;
mod settings;
mod sites;
pub mod socket;
mod sse;
mod standing;
mod upload;
mod usage;
mod widget;

pub use accept::weight;
pub use body::{Body, BodyError, Pace};
pub use call::Peer;
pub use problem::Problem;
pub use router::{handle, refuse};
pub use routes::{is_of_health, is_of_the_api};
