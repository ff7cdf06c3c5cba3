//! Pure values and rules of Frontdesk.
//!
//! Nothing here awaits, reads a clock, draws a random number or touches I/O: time and randomness are arguments.

pub mod answer;
pub mod breaker;
pub mod conversation;
pub mod error;
pub mod event;
pub mod id;
pub mod room;
pub mod scope;
pub mod time;
