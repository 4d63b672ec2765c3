//! What a sandbox may use up, with a default for each. Every limit is enforced in the room that
//! spends it; here are only the numbers.

use std::time::Duration;

/// What a sandbox may use up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// How many bytes of a call's output (stdout and stderr together) are passed on; the rest is counted
    /// and dropped. Default 64 KiB.
    pub guest_output_bytes: usize,
    /// How long opening a sandbox may take, its initializer included. Default 60 s.
    pub opening_time: Duration,
    /// How long a snapshot function may run, once before all sandboxes. Default 5 min.
    pub snapshot_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            guest_output_bytes: 64 << 10,
            opening_time: Duration::from_secs(60),
            snapshot_time: Duration::from_secs(300),
        }
    }
}

impl Limits {
    /// Sets how many bytes of a call's output are passed on.
    pub fn guest_output_bytes(mut self, bytes: usize) -> Self {
        self.guest_output_bytes = bytes;
        self
    }

    /// Sets how long opening a sandbox may take, its initializer included.
    pub fn opening_time(mut self, time: Duration) -> Self {
        self.opening_time = time;
        self
    }

    /// Sets how long a snapshot function may run.
    pub fn snapshot_time(mut self, time: Duration) -> Self {
        self.snapshot_time = time;
        self
    }
}
