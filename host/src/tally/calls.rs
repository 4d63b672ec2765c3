//! Calls by how they ended and how long they took, and attempts while they run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::tally::times::Times;

/// The place where a worker counts its calls. Its lock is hardly ever waited for: others come by only when
/// somebody asks for the sums.
///
/// Aligned so that no two workers write to the same cache lines.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct CallShard {
    ended: Mutex<EndedCalls>,
}

/// An attempt that runs; counted as long as it is held.
///
/// How many there are is how often the shard is shared, which saves a counter that has to be kept in step.
pub(crate) struct CountedAttempt {
    shard: Arc<CallShard>,
}

#[derive(Default)]
struct EndedCalls {
    completed: u64,
    failed: BTreeMap<&'static str, u64>,
    waiting: Times,
    running: Times,
}

/// The sums of all shards.
#[derive(Default)]
pub(crate) struct CallCounts {
    /// Attempts that run now.
    pub(crate) running: usize,
    pub(crate) completed: u64,
    /// By kind of failure.
    pub(crate) failed: BTreeMap<&'static str, u64>,
    pub(crate) waiting_times: Times,
    pub(crate) running_times: Times,
}

impl CountedAttempt {
    pub(crate) fn begun(shard: Arc<CallShard>) -> Self {
        CountedAttempt { shard }
    }

    pub(crate) fn shard(&self) -> &Arc<CallShard> {
        &self.shard
    }
}

impl CallShard {
    pub(crate) fn count_answered(&self, failure: Option<&'static str>, waiting: Duration, running: Duration) {
        self.count_all_answered(std::iter::once((failure, waiting, running)));
    }

    /// Counts calls by the kind of their failure, how long they waited, and how long they ran.
    pub(crate) fn count_all_answered(
        &self,
        calls: impl Iterator<Item = (Option<&'static str>, Duration, Duration)> + Clone,
    ) {
        let mut ended = self.lock();
        for (failure, ..) in calls.clone() {
            match failure {
                None => ended.completed += 1,
                Some(kind) => *ended.failed.entry(kind).or_default() += 1,
            }
        }
        ended.waiting.record_all(calls.clone().map(|(_, waiting, _)| waiting));
        // What never ran would make the rest look faster than it is.
        ended.running.record_all(calls.map(|(.., running)| running).filter(|running| !running.is_zero()));
    }

    pub(crate) fn count_refused(&self, failure: &'static str) {
        *self.lock().failed.entry(failure).or_default() += 1;
    }

    pub(crate) fn add_to(self: &Arc<Self>, sums: &mut CallCounts) {
        sums.running += Arc::strong_count(self) - 1;
        let ended = self.lock();
        sums.completed += ended.completed;
        for (kind, calls) in &ended.failed {
            *sums.failed.entry(kind).or_default() += calls;
        }
        sums.waiting_times.add(&ended.waiting);
        sums.running_times.add(&ended.running);
    }

    fn lock(&self) -> MutexGuard<'_, EndedCalls> {
        self.ended.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_add_up_over_shards() {
        let shards: [Arc<CallShard>; 2] = [Arc::default(), Arc::default()];
        let ms = Duration::from_millis(1);
        shards[0].count_answered(None, ms, ms);
        shards[0].count_answered(Some("trapped"), ms, ms);
        shards[1].count_answered(Some("trapped"), ms, ms);
        shards[1].count_answered(Some("cancelled"), ms, Duration::ZERO);
        shards[1].count_refused("bad-input");
        let attempt = CountedAttempt::begun(shards[1].clone());
        let mut sums = CallCounts::default();
        shards.iter().for_each(|shard| shard.add_to(&mut sums));
        assert_eq!((sums.running, sums.completed), (1, 1));
        assert_eq!(sums.failed, BTreeMap::from([("bad-input", 1), ("cancelled", 1), ("trapped", 2)]));
        assert_eq!(sums.waiting_times.summary().count, 4, "a refused call never waited");
        assert_eq!(sums.running_times.summary().count, 3, "a call that never ran has no running time");
        drop(attempt);
    }
}
