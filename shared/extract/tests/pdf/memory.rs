//! How much memory a thread holds at most while it does something.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes that are held, and the most that were.
    static HELD: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

fn count(bytes: isize) {
    // A thread that ends has no counter any more.
    let _ = HELD.try_with(|held| {
        let now = held.get().0 + bytes;
        held.set((now, held.get().1.max(now)));
    });
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).unwrap_or(isize::MAX)
}

// SAFETY: each call is the system allocator's, with what the caller gave.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-size(layout));
        unsafe { System.dealloc(place, layout) }
    }
}

/// What `work` gives, and the most bytes that it held.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get().0;
    HELD.set((before, before));
    let result = work();
    (result, usize::try_from(HELD.get().1 - before).unwrap())
}

#[test]
fn memory_is_counted() {
    let (bytes, peak) = peak(|| {
        drop(vec![0_u8; 5 << 20]);
        vec![0_u8; 3 << 20]
    });
    assert_eq!(bytes.len(), 3 << 20);
    assert!((5 << 20..6 << 20).contains(&peak), "{peak}");
}
