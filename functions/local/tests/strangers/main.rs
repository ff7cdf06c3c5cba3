//! The local server against strangers: real connections that are held, slow, or too many.

mod bodies;
mod client;
mod crowds;
mod stopping;
mod uploads;
