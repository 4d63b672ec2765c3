//! Sandboxes by what they are doing, and why those retired that are gone.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::event::RetireReason;

/// The place where a worker counts its sandboxes.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct SandboxShard {
    counts: Mutex<SandboxCounts>,
}

/// Sandboxes of a worker, or of all.
#[derive(Default)]
pub(crate) struct SandboxCounts {
    pub(crate) opening: usize,
    pub(crate) serving: usize,
    /// Open, but not to new calls.
    pub(crate) retiring: usize,
    pub(crate) opened: u64,
    pub(crate) not_opened: u64,
    pub(crate) retired: BTreeMap<RetireReason, u64>,
}

/// A sandbox, counted as long as it is held; it lives on one thread.
///
/// Dropped without a word it was open until its worker or its pool ended.
pub(crate) struct CountedSandbox {
    shard: Arc<SandboxShard>,
    stage: Cell<Stage>,
    takes_calls: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Gone,
}

impl CountedSandbox {
    pub(crate) fn opening(shard: Arc<SandboxShard>) -> Self {
        shard.lock().opening += 1;
        CountedSandbox { shard, stage: Cell::new(Stage::Opening), takes_calls: Cell::new(true) }
    }

    pub(crate) fn opened(&self) {
        let mut counts = self.change(Stage::Open, self.takes_calls.get());
        counts.opened += 1;
    }

    pub(crate) fn not_opened(&self) {
        let mut counts = self.change(Stage::Gone, false);
        counts.not_opened += 1;
    }

    /// Notes that it takes no more calls, open or not.
    pub(crate) fn takes_no_more_calls(&self) {
        drop(self.change(self.stage.get(), false));
    }

    pub(crate) fn retired(&self, reason: RetireReason) {
        let mut counts = self.change(Stage::Gone, false);
        *counts.retired.entry(reason).or_default() += 1;
    }

    /// Counts it as something else from now on.
    fn change(&self, stage: Stage, takes_calls: bool) -> MutexGuard<'_, SandboxCounts> {
        let mut counts = self.shard.lock();
        if let Some(count) = counts.of(self.stage.get(), self.takes_calls.get()) {
            *count -= 1;
        }
        if let Some(count) = counts.of(stage, takes_calls) {
            *count += 1;
        }
        self.stage.set(stage);
        self.takes_calls.set(takes_calls);
        counts
    }
}

impl Drop for CountedSandbox {
    fn drop(&mut self) {
        match self.stage.get() {
            // Nobody learned whether it would have opened.
            Stage::Opening => drop(self.change(Stage::Gone, false)),
            Stage::Open if std::thread::panicking() => self.retired(RetireReason::WorkerEnded),
            Stage::Open => self.retired(RetireReason::Closed),
            Stage::Gone => {}
        }
    }
}

impl SandboxShard {
    pub(crate) fn add_to(&self, sums: &mut SandboxCounts) {
        let counts = self.lock();
        sums.opening += counts.opening;
        sums.serving += counts.serving;
        sums.retiring += counts.retiring;
        sums.opened += counts.opened;
        sums.not_opened += counts.not_opened;
        for (reason, sandboxes) in &counts.retired {
            *sums.retired.entry(*reason).or_default() += sandboxes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, SandboxCounts> {
        self.counts.lock().expect("no holder of this lock panics")
    }
}

impl SandboxCounts {
    /// Returns where a sandbox is counted that lives.
    fn of(&mut self, stage: Stage, takes_calls: bool) -> Option<&mut usize> {
        match (stage, takes_calls) {
            (Stage::Opening, _) => Some(&mut self.opening),
            (Stage::Open, true) => Some(&mut self.serving),
            (Stage::Open, false) => Some(&mut self.retiring),
            (Stage::Gone, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(shard: &SandboxShard) -> (usize, usize, usize) {
        let counts = shard.lock();
        (counts.opening, counts.serving, counts.retiring)
    }

    #[test]
    fn a_sandbox_is_counted_through_its_life() {
        let shard: Arc<SandboxShard> = Arc::default();
        let sandbox = CountedSandbox::opening(shard.clone());
        assert_eq!(alive(&shard), (1, 0, 0));
        sandbox.opened();
        assert_eq!(alive(&shard), (0, 1, 0));
        sandbox.takes_no_more_calls();
        sandbox.takes_no_more_calls();
        assert_eq!(alive(&shard), (0, 0, 1));
        sandbox.retired(RetireReason::Abandoned);
        assert_eq!(alive(&shard), (0, 0, 0));
        drop(sandbox);
        assert_eq!(alive(&shard), (0, 0, 0));
        assert_eq!(shard.lock().retired, BTreeMap::from([(RetireReason::Abandoned, 1)]));
        assert_eq!(shard.lock().opened, 1);
    }

    #[test]
    fn a_sandbox_for_one_call_never_serves_others() {
        let shard: Arc<SandboxShard> = Arc::default();
        let sandbox = CountedSandbox::opening(shard.clone());
        sandbox.takes_no_more_calls();
        assert_eq!(alive(&shard), (1, 0, 0));
        sandbox.opened();
        assert_eq!(alive(&shard), (0, 0, 1));
    }

    #[test]
    fn what_ends_with_its_pool_or_its_worker_is_gone_for_that_reason() {
        let shard: Arc<SandboxShard> = Arc::default();
        let open = |shard: &Arc<SandboxShard>| {
            let sandbox = CountedSandbox::opening(shard.clone());
            sandbox.opened();
            sandbox
        };
        drop(open(&shard));
        let of_worker = shard.clone();
        let worker = std::thread::spawn(move || {
            let _sandbox = open(&of_worker);
            panic!("as a worker may");
        });
        worker.join().expect_err("it panics");
        drop(CountedSandbox::opening(shard.clone()));
        CountedSandbox::opening(shard.clone()).not_opened();
        assert_eq!(alive(&shard), (0, 0, 0));
        let expected = BTreeMap::from([(RetireReason::Closed, 1), (RetireReason::WorkerEnded, 1)]);
        let counts = shard.lock();
        assert_eq!((counts.opened, counts.not_opened, &counts.retired), (2, 1, &expected));
    }
}
