//! What a workgroup's threads add up, or compare, together.

use cubecl::prelude::*;

/// Threads of a workgroup.
pub const THREADS: usize = 64;

/// The sum over all of a workgroup's threads.
#[cube]
pub fn total(mine: f32, shared: &mut Shared<[f32]>) -> f32 {
    of_all(mine, shared, false)
}

/// The largest over all of a workgroup's threads.
#[cube]
pub fn largest(mine: f32, shared: &mut Shared<[f32]>) -> f32 {
    of_all(mine, shared, true)
}

#[cube]
fn of_all(mine: f32, shared: &mut Shared<[f32]>, #[comptime] compares: bool) -> f32 {
    let unit = UNIT_POS_X as usize;
    sync_cube();
    shared[unit] = mine;
    sync_cube();
    #[unroll]
    for step in 0..6usize {
        let half = comptime![THREADS >> (step + 1)];
        if unit < half {
            let other = shared[unit + half];
            if comptime![compares] {
                shared[unit] = max(shared[unit], other);
            } else {
                shared[unit] += other;
            }
        }
        sync_cube();
    }
    shared[0]
}
