//! The one-machine host.
fn main() {}
