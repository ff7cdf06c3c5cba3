//! Every command a person or CI needs.
fn main() {}
