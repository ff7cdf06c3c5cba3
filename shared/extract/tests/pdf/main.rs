//! What is read of pdfs, and what those cost that want to do harm.

mod hostile;
mod memory;
mod printed;
mod reads;
mod support;
