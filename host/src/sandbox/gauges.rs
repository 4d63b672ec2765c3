//! What a store tells those outside while its guest code runs, and what they answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::call::CallId;
use crate::hold::Hold;
use crate::sandbox::meter::MemoryMeter;

/// What a store tells those outside, who made it.
#[derive(Clone)]
pub(crate) struct Gauges {
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) memory: Arc<MemoryMeter>,
    pub(crate) hold: Arc<Hold>,
}

impl Gauges {
    /// Makes some that nobody reads.
    pub(crate) fn unread() -> Self {
        Gauges { pulse: Pulse::new(|_| false), memory: Arc::default(), hold: Arc::default() }
    }
}

/// What a worker and the epoch callback of its sandboxes tell each other.
pub(crate) struct Pulse {
    /// Set when guest code was still busy at a tick: the worker is not idle although its loop returned.
    pub(super) busy: AtomicBool,
    /// Called at each tick that meets a busy guest, with the call it is busy for; returns true if the worker wants its
    /// loop back at once.
    pub(super) at_busy_tick: Box<dyn Fn(Option<CallId>) -> bool + Send + Sync>,
}

impl Pulse {
    pub(crate) fn new(at_busy_tick: impl Fn(Option<CallId>) -> bool + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Pulse { busy: AtomicBool::new(false), at_busy_tick: Box::new(at_busy_tick) })
    }

    /// Returns whether a guest was met busy since the last time.
    pub(crate) fn take_busy(&self) -> bool {
        self.busy.swap(false, Ordering::Relaxed)
    }
}
