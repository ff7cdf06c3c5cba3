//! End-to-end: the real program over HTTP, where that takes a process of its own: killed, started again, beside another
//! one, without a model. What every host answers is in `tests/parity`. The model is a stand-in that streams and fails like
//! a real one.

mod bad_input;
mod chat;
mod cuts;
mod documents;
mod lifecycle;
mod program;
mod sites;
mod sockets;
mod strangers;
