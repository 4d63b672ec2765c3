//! Wakers that are not ours: they run wherever an answer or an event is told, in the middle of our own work.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Has somebody woken for something. A waker that panics harms nobody else: whoever tells may have locked something, or does
/// so because something has panicked already.
pub(crate) fn wake_for(something: &str, wake: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(wake)).is_err() {
        tracing::error!("a waker panicked that was woken for {something}");
    }
}
