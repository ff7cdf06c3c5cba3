//! The reader of untrusted files as a WebAssembly program of its own: it can compute within its own memory, which has a
//! ceiling, and nothing else. Whatever a parser does (panic, overflow of the stack, appetite for memory) is an exception in
//! its instance. For the Worker it is a module without imports, for Spin a component that answers requests.
#![cfg(target_arch = "wasm32")]

#[cfg(target_os = "wasi")]
mod component;
#[cfg(target_os = "unknown")]
mod module;
