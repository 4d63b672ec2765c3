//! Tasks whose calls are measured by `cargo bench --bench speed`, as async exports: they do next to nothing, or wait.
//! Each sandbox that runs one has the same few pages of its own afterwards, or as many more as it is asked to touch.

use std::cell::RefCell;
use std::time::Duration;

use wasmpool_guest::{tasks, time};

/// The system's pages, which are smaller than those that guest memory grows by.
const SYSTEM_PAGE_BYTES: usize = 4_096;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Measured tasks with async exports.
#[tasks]
mod speed {
    use super::*;

    /// Sum of `a` and `b`, wrapping around.
    pub async fn add_async(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    /// Waits for `ms` milliseconds and returns them.
    pub async fn wait(ms: u32) -> u32 {
        time::sleep(Duration::from_millis(ms.into())).await;
        ms
    }

    /// Keeps so many pages of 4 KiB, each written to, then waits for `ms` milliseconds and returns them.
    pub async fn touch_and_wait(pages: u32, ms: u32) -> u32 {
        // Zeroes would be taken from memory that nobody has touched yet.
        KEPT.with_borrow_mut(|kept| kept.push(vec![1; pages as usize * SYSTEM_PAGE_BYTES]));
        wait(ms).await
    }
}

#[cfg(test)]
mod tests {
    use super::speed;
    use wasmpool_guest::testing::block_on;

    #[test]
    fn sums_wrap_around() {
        assert_eq!(block_on(speed::add_async(u32::MAX, 2)), 1);
    }
}
