//! Fakes that fail in two ways, fixtures and one contract suite per port.

mod blobs;

pub use blobs::blobs_contract;
