//! One-machine host: embedded libSQL file, in-process rooms, disk blobs.
