//! What a pool has done and what it is doing, in numbers that cost next to nothing to keep.
//!
//! Every worker counts in a place of its own, so that tiny calls do not queue for a lock to be counted;
//! whoever asks adds the places up. What goes up and must come down again (workers, sandboxes, running
//! attempts) is held as a guard, so that a panic leaves nothing counted. Calls accepted and jobs queued are
//! not here: the ledger and the queue know them anyway.

pub(crate) mod times;
pub(crate) mod calls;
pub(crate) mod sandboxes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::call::WorkerId;
use crate::tally::calls::{CallCounts, CallShard, CountedAttempt};
use crate::tally::sandboxes::{CountedSandbox, SandboxCounts, SandboxShard};

/// As many places to count in as there are workers, but no more than this: a place takes 52 KiB.
const SHARDS_AT_MOST: usize = 32;

/// All counts of one pool.
pub(crate) struct Tally {
    /// How many clones of this there are is how many workers live.
    worker: Arc<()>,
    calls: Vec<Arc<CallShard>>,
    sandboxes: Vec<Arc<SandboxShard>>,
    attempts_run_again: AtomicU64,
    attempts_retried: AtomicU64,
}

/// A worker that lives; counted as long as it is held.
pub(crate) struct CountedWorker {
    _worker: Arc<()>,
}

impl Tally {
    pub(crate) fn of(workers: usize) -> Arc<Self> {
        let shards = workers.clamp(1, SHARDS_AT_MOST);
        Arc::new(Tally {
            worker: Arc::default(),
            calls: (0..shards).map(|_| Arc::default()).collect(),
            sandboxes: (0..shards).map(|_| Arc::default()).collect(),
            attempts_run_again: AtomicU64::new(0),
            attempts_retried: AtomicU64::new(0),
        })
    }

    pub(crate) fn count_worker(&self) -> CountedWorker {
        CountedWorker { _worker: self.worker.clone() }
    }

    /// Counts a sandbox that begins to open.
    pub(crate) fn count_sandbox(&self, worker: WorkerId) -> CountedSandbox {
        CountedSandbox::opening(self.sandboxes[worker.get() % self.sandboxes.len()].clone())
    }

    /// Counts an attempt that begins to run.
    pub(crate) fn count_attempt(&self, worker: WorkerId) -> CountedAttempt {
        CountedAttempt::begun(self.calls[worker.get() % self.calls.len()].clone())
    }

    /// Counts a call that was queued and is answered now. `last` is its attempt that ends with it, whose place is
    /// nobody else's to count in; calls that end while they wait are few, and all go to the first.
    pub(crate) fn count_answered(
        &self,
        last: Option<&CountedAttempt>,
        failure: Option<&'static str>,
        waiting: Duration,
        running: Duration,
    ) {
        let shard = last.map_or(&self.calls[0], CountedAttempt::shard);
        shard.count_answered(failure, waiting, running);
    }

    /// Counts a call that is answered without having been queued.
    pub(crate) fn count_refused(&self, failure: &'static str) {
        self.calls[0].count_refused(failure);
    }

    /// Counts an attempt that was lost to others, and whose call runs again.
    pub(crate) fn count_run_again(&self) {
        self.attempts_run_again.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an attempt that failed, and whose call is tried again.
    pub(crate) fn count_retried(&self) {
        self.attempts_retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn workers(&self) -> usize {
        Arc::strong_count(&self.worker) - 1
    }

    pub(crate) fn attempts_run_again(&self) -> u64 {
        self.attempts_run_again.load(Ordering::Relaxed)
    }

    pub(crate) fn attempts_retried(&self) -> u64 {
        self.attempts_retried.load(Ordering::Relaxed)
    }

    pub(crate) fn calls(&self) -> CallCounts {
        let mut all = CallCounts::default();
        for shard in &self.calls {
            shard.add_to(&mut all);
        }
        all
    }

    pub(crate) fn sandboxes(&self) -> SandboxCounts {
        let mut all = SandboxCounts::default();
        for shard in &self.sandboxes {
            shard.add_to(&mut all);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_beyond_the_places_share_them() {
        let tally = Tally::of(4096);
        let held: Vec<_> = (0..4096).map(|id| tally.count_attempt(WorkerId(id))).collect();
        assert_eq!(tally.calls().running, 4096);
        drop(held);
        assert_eq!(tally.calls().running, 0);
    }

    #[test]
    fn a_worker_is_counted_while_it_is_held() {
        let tally = Tally::of(2);
        let (one, other) = (tally.count_worker(), tally.count_worker());
        assert_eq!(tally.workers(), 2);
        drop(one);
        assert_eq!(tally.workers(), 1);
        drop(other);
        assert_eq!(tally.workers(), 0);
    }
}
