//! One test over many files, on as many threads as there are cores.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `look` says of each file, in any order.
pub fn side_by_side<T: Send>(files: &[PathBuf], look: impl Fn(&PathBuf) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let taken =
        || std::iter::from_fn(|| files.get(next.fetch_add(1, Ordering::Relaxed))).map(&look).collect::<Vec<T>>();
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..threads).map(|_| scope.spawn(taken)).collect();
        working.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}
