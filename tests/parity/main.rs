//! The same cases against every host, by its address. `cargo xtask test --part parity` starts the hosts; the cases run one
//! after the other.
//!
//! | variable | what |
//! |---|---|
//! | `FRONTDESK_READY` | the ready file of a host that was just started with the demo's documents and without rate limits |
//! | `FRONTDESK_MODEL_URL` | the `OPENAI_BASE_URL` of that host: a fake model |
//! | `FRONTDESK_TRANSCRIPTS` | a directory to keep the transcripts in (optional) |
//! | `FRONTDESK_BASE_URL` | the address of a host, for [`edge`] |
//!
//! [`limits`] wants a host of its own with rate limits, [`isolation`] and [`people`] one where registration is open; [`cuts`], [`crowd`], [`large`], [`left_over`] and [`take_over`] have more variables;
//! [`socketless`] is instead of [`sockets`] where there are none.
//!
//! What a host answers is written down and compared with `transcripts/`: two hosts that pass are the same to the byte.
//! After a change of the API, `INSTA_UPDATE=always cargo xtask test --part parity` writes them anew.

mod auth;
mod bad_input;
mod case;
mod conversations;
mod crowd;
mod cuts;
mod documents;
mod edge;
mod faults;
mod feedback;
mod health;
mod hostile;
mod isolation;
mod large;
mod left_over;
mod limits;
mod messages;
mod objects;
mod pages;
mod panics;
mod people;
mod resume;
mod search;
mod sessions;
mod settings;
mod sites;
mod socketless;
mod sockets;
mod stages;
mod step_down;
mod take_over;
mod transcript;
mod uploads;
mod wire;
