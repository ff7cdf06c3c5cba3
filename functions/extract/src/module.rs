//! The reader as a module without imports, for a host that makes an instance of it for each file and throws it away.
#![expect(unsafe_code, reason = "exported names, and an allocator that notices when nothing is left")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

// Named so that its feature reaches the version that the core's dependencies use.
use getrandom_03 as _;

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

/// Reads the file of the request; how long the answer is, 0 when that was no request.
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

/// Whether there was less memory than was wanted. May be asked after an exception.
#[unsafe(no_mangle)]
pub extern "C" fn out_of_memory() -> bool {
    EXHAUSTED.load(Ordering::Relaxed)
}

static EXHAUSTED: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// The system's allocator under watch.
struct Watched;

fn watched(place: *mut u8) -> *mut u8 {
    if place.is_null() {
        EXHAUSTED.store(true, Ordering::Relaxed);
    }
    place
}

// SAFETY: each call is the system allocator's, with what the caller gave.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        watched(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        watched(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        watched(unsafe { System.realloc(place, layout, size) })
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}
