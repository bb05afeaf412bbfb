//! How much memory an input takes at most: every allocation of a target is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's own, and so the address sanitiser's, with a count.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;
static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Sentences, names and whatever else takes the same for a small file as for a large one.
const FIXED: usize = 16 << 10;

/// Does a target's work. It must not hold more bytes at once than `allowed`, beside what any input takes.
pub fn within<T>(allowed: usize, work: impl FnOnce() -> T) -> T {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    let out = work();
    let most = MOST.load(Relaxed).saturating_sub(before);
    assert!(most <= allowed + FIXED, "{most} bytes of memory are taken, {allowed} allowed");
    out
}

fn more(bytes: usize) {
    MOST.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }

    /// Counted as growing in place, which is what large ones do.
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_sub(layout.size(), Relaxed);
        more(size);
        unsafe { System.realloc(place, layout, size) }
    }
}
