//! Tasks that wait: a thousand of them need no more than one sandbox, since a waiting task holds nobody up.
//!
//! ```text
//! wasmpool map guest/examples/delays worker --times 1000 -c 500 --values > out.txt
//! ```

use wasmpool_guest::tasks;

/// Waits, in place of a server that takes its time.
#[tasks]
mod delays {
    use std::time::Duration;

    use wasmpool_guest::time;

    /// Waits for `ms` milliseconds and returns them.
    pub async fn nap(ms: u32) -> u32 {
        time::sleep(Duration::from_millis(ms.into())).await;
        ms
    }

    /// Waits for a random time of up to 200 ms and returns it in seconds.
    pub async fn worker() -> f64 {
        let pause = Duration::from_millis(200).mul_f64(fastrand::f64());
        time::sleep(pause).await;
        pause.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::delays;
    use wasmpool_guest::testing::block_on;

    #[test]
    fn a_nap_returns_its_length() {
        assert_eq!(block_on(delays::nap(1)), 1);
    }

    #[test]
    fn a_worker_waits_for_less_than_a_fifth_of_a_second() {
        assert!((0.0..0.2).contains(&block_on(delays::worker())));
    }
}
