//! Fakes that fail in two ways, fixtures, and one contract suite per port that runs against every adapter.

mod blobs;
mod clock;
mod database;
pub mod hostile;
mod http;
mod limiter;
pub mod pdf;
mod random;
mod rooms;
pub mod strangers;
mod vectors;

pub use self::http::{FaultyHttp, HttpFault};
pub use blobs::{FaultyBlobs, blobs_contract};
pub use clock::{ManualClock, SetClock};
pub use database::{Fault, FaultyDatabase, database_contract};
pub use limiter::limiter_contract;
pub use pdf::pdf_of;
pub use random::SeededRandom;
pub use rooms::{Callers, ports, rooms_apart_contract, rooms_contract, with_rooms};
pub use vectors::vector_index_contract;
