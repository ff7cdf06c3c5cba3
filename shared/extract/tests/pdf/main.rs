//! What is read of pdfs, and what those cost that want to do harm.

mod hostile;
mod reads;
mod support;
