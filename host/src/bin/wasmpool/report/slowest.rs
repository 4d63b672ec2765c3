//! The calls that ran longest, in constant memory.

use std::cmp::Reverse;
use std::time::Duration;

use super::Report;

/// How many are kept.
const MOST: usize = 10;

/// A call that ran long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlowCall {
    pub(crate) index: usize,
    pub(crate) running: Duration,
    pub(crate) attempts: u32,
}

/// The calls that ran longest.
#[derive(Debug, Default)]
pub(crate) struct Slowest {
    /// The longest first; of equals, the one that came first.
    calls: Vec<SlowCall>,
}

impl Slowest {
    /// Takes a call into account; one that never ran is not slow.
    pub(crate) fn count(&mut self, report: &Report) {
        let call = SlowCall { index: report.index, running: report.running, attempts: report.attempts };
        let place = self.calls.partition_point(|slower| Reverse(slower.running) <= Reverse(call.running));
        if place < MOST && call.attempts > 0 {
            self.calls.truncate(MOST - 1);
            self.calls.insert(place, call);
        }
    }

    /// Returns them, the longest first.
    pub(crate) fn calls(&self) -> &[SlowCall] {
        &self.calls
    }
}
