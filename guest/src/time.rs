//! Waiting. A task that waits here leaves its worker free for other calls.

use std::time::Duration;

/// Waits for `duration`, to the nanosecond where the clock can; durations over 584 years are cut.
///
/// [`std::thread::sleep`] would hold up every call of the sandbox, and sync tasks can do no better.
///
/// # Cancel safety
///
/// Dropping the future ends the wait and loses nothing.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use wasmpool_guest::{testing::block_on, time};
///
/// block_on(time::sleep(Duration::from_millis(1)));
/// ```
pub async fn sleep(duration: Duration) {
    #[cfg(target_family = "wasm")]
    {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        wasip3::clocks::monotonic_clock::wait_for(nanoseconds).await;
    }
    #[cfg(not(target_family = "wasm"))]
    futures_timer::Delay::new(duration).await;
}
