//! One-machine host: embedded libSQL file, in-process rooms, disk blobs.

pub mod blobs;
pub mod demo_documents;
pub mod extractor;
