//! What is read of pdfs, and what those cost that want to do harm.

mod hostile;
mod memory;
mod reads;
mod support;
