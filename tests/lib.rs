//! What end-to-end tests have in common: a client that checks what it sees, the model's controls, and what is done to
//! every host.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

pub mod client;
pub mod cuts;
pub mod door;
pub mod model;
pub mod socket;
