//! Pure values and rules of Frontdesk.
//!
//! Nothing here awaits, reads a clock, draws a random number or touches I/O: time and randomness are arguments.

pub mod address;
pub mod answer;
pub mod api_key;
pub mod breaker;
pub mod citation;
pub mod conversation;
pub mod document;
pub mod error;
pub mod event;
pub mod guard;
pub mod id;
pub mod lexicon;
pub mod limits;
pub mod networks;
pub mod password;
pub mod permission;
pub mod prompt;
pub mod proxies;
pub mod question;
pub mod quote;
pub mod robots;
pub mod room;
pub mod scope;
pub mod settings;
pub mod site;
pub mod speech;
pub mod text;
pub mod texts;
pub mod time;
