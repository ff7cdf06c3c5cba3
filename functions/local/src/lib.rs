//! One-machine host: embedded libSQL file, in-process rooms, disk blobs.

pub mod http_client;
