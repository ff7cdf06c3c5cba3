//! Fakes that fail in two ways, fixtures, and one contract suite per port that runs against every adapter.

mod blobs;
mod clock;
mod database;
mod limiter;
mod pdf;
mod random;

pub use blobs::blobs_contract;
pub use clock::ManualClock;
pub use database::{Fault, FaultyDatabase, database_contract};
pub use limiter::limiter_contract;
pub use pdf::pdf_of;
pub use random::SeededRandom;
