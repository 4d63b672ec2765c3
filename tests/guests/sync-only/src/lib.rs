//! Sync functions and nothing else, so the module runs on the engine without concurrency support.

use std::cell::Cell;

use wasmpool_guest::{Error, bail, tasks};

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Sync tasks only.
#[tasks]
mod sync_only {
    use super::*;

    /// Sum of `a` and `b`, wrapping around.
    pub fn add(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    /// Computes for `rounds` rounds without a pause; 0 means for ever.
    pub fn busy(rounds: u64) -> u64 {
        let mut state = 1_u64;
        let mut left = rounds;
        loop {
            state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            left = left.wrapping_sub(1);
            if left == 0 {
                return state;
            }
        }
    }

    /// Panics with `message`.
    pub fn boom(message: String) -> u32 {
        panic!("{message}")
    }

    /// Fails with `message`.
    pub fn fail(message: String) -> Result<u32, Error> {
        bail!(message)
    }

    /// Returns `text`, after printing it.
    pub fn say(text: String) -> String {
        println!("{text}");
        text
    }

    /// How often this was called in this sandbox, this call included.
    pub fn count() -> u32 {
        CALLS.set(CALLS.get() + 1);
        CALLS.get()
    }
}
