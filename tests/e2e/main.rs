//! End-to-end: the real program as a process of its own, over HTTP. The model is a stand-in that streams and fails like a
//! real one.

mod bad_input;
mod chat;
mod cuts;
mod documents;
mod lifecycle;
mod program;
mod sockets;
