//! The reader of untrusted files as a WebAssembly module of its own, without imports. A host makes an instance for each
//! file and throws it away: whatever a parser does is an exception in that instance.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]
#![expect(unsafe_code, reason = "exported names")]

use std::cell::RefCell;

thread_local! {
    /// The request, and after `read` the answer.
    static BYTES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for a request of `length` bytes; where it is to be written.
#[unsafe(no_mangle)]
pub extern "C" fn request(length: usize) -> *mut u8 {
    BYTES.with_borrow_mut(|bytes| {
        *bytes = vec![0; length];
        bytes.as_mut_ptr()
    })
}

/// Reads the file of the request; how long the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn read() -> usize {
    let answer = frontdesk_extract::wire::answer(&BYTES.take()).unwrap_or_default();
    let length = answer.len();
    BYTES.replace(answer);
    length
}

/// Where the answer is.
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    BYTES.with_borrow(|bytes| bytes.as_ptr())
}
