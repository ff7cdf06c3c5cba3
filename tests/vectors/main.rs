//! Vectors in a Qdrant that is at `QDRANT_URL` (and `QDRANT_API_KEY`): a real server, or the stand-in over Qdrant's own
//! engine that `cargo xtask test --part vectors` starts. `CARGO_BIN_EXE_frontdesk` is the program. Whatever a test makes
//! there it takes away.

mod contract;
mod host;
mod qdrant;
mod rebuild;
mod rest;
mod stand_in;
