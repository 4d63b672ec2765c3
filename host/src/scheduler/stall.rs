//! Whether a pool has come to a standstill: every slot waits on a queue, and nobody outside has a handle of it, so nothing
//! would ever happen again. The calls are told then, instead of hanging.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::scheduler::calls::Scheduler;

/// How long all slots must have been waiting. Whoever waits on a queue and on something else at once begins anew now and
/// then, and counts from there.
const STALL_AFTER: Duration = Duration::from_secs(5);

/// It is looked for every so many ticks.
const TICKS_BETWEEN_LOOKS: u32 = 50;

/// Looks for standstills of one pool.
#[derive(Default)]
pub(crate) struct StallWatch {
    ticks: AtomicU32,
}

impl StallWatch {
    /// Notes a tick of the pool's clock, and ends calls that would wait for ever.
    pub(crate) fn look(&self, scheduler: &Scheduler) {
        if !self.ticks.fetch_add(1, Ordering::Relaxed).is_multiple_of(TICKS_BETWEEN_LOOKS) {
            return;
        }
        let stuck = scheduler.queues.stuck(STALL_AFTER);
        if stuck.len() < scheduler.slots {
            return;
        }
        for (owner, queue) in stuck {
            owner.witness.stalled(format!(
                "a standstill: all {} slots of the pool wait on queues, this one on `{queue}`, and nobody outside has a \
                 handle of these; close the queue, or have more calls run at once (-c, -w)",
                scheduler.slots
            ));
        }
    }
}
