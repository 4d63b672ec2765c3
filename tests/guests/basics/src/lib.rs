//! Tasks that the tests of the pool call: plain ones, waiting ones, busy ones, and ones that go wrong on purpose.

use std::time::Duration;
use wasmpool_guest::{tasks, time};

/// Plain, waiting, busy and failing tasks.
#[tasks]
mod basics {
    use super::*;

    /// Sum of `a` and `b`, wrapping around.
    pub fn add(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    /// Sum of `a` and `b`, as an async export.
    pub async fn add_async(a: i64, b: i64) -> i64 {
        a.wrapping_add(b)
    }

    /// Waits for `ms` milliseconds and returns them.
    pub async fn sleep_ms(ms: u32) -> u32 {
        time::sleep(Duration::from_millis(ms.into())).await;
        ms
    }

    /// Computes for `rounds` rounds without a pause.
    pub fn spin(rounds: u64) -> u64 {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..rounds {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state = state.wrapping_add(round);
        }
        state
    }

    /// Returns `text`.
    pub fn echo_text(text: String) -> String {
        text
    }

    /// Waits a little, then panics if `n` is `at` and otherwise waits again and returns `n`.
    pub async fn boom_at(n: u32, at: u32) -> u32 {
        time::sleep(Duration::from_millis(5)).await;
        assert!(n != at, "boom at {n}");
        time::sleep(Duration::from_millis(20)).await;
        n
    }
}
