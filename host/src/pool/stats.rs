//! A pool's numbers, as they are at one moment.

use std::collections::BTreeMap;

use crate::event::RetireReason;
use crate::scheduler::calls::Scheduler;
use crate::tally::times::TimeSummary;

/// A pool's numbers: what it is doing, and what it has done since it was built.
///
/// They are read one after another while the pool goes on, so that a call which ends meanwhile may show in one and
/// not yet in another. Once all calls are answered they agree with each other and with the reports.
///
/// # Examples
/// ```no_run
/// # fn example(pool: wasmpool::Pool) {
/// let stats = pool.stats();
/// println!("{} calls wait, {} run, {} are done", stats.calls_waiting(), stats.calls_running, stats.calls_done());
/// println!("{} trapped; p99 {:?}", stats.calls_failed_as("trapped"), stats.running.p99);
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Worker threads that live.
    pub workers: usize,
    /// How many calls can run at once: the concurrency of as many workers as there may be.
    pub slots: usize,
    /// Sandboxes that are being opened.
    pub sandboxes_opening: usize,
    /// Sandboxes that take calls.
    pub sandboxes_serving: usize,
    /// Sandboxes that take no new calls and have some to finish. One for a single call is of this kind once open.
    pub sandboxes_retiring: usize,
    /// Sandboxes that have opened since the pool was built.
    pub sandboxes_opened: u64,
    /// Sandboxes that have failed to open since the pool was built.
    pub sandboxes_not_opened: u64,
    /// Sandboxes that had opened and are gone, by reason. What has not happened is not in it.
    pub sandboxes_retired: BTreeMap<RetireReason, u64>,
    /// Calls accepted and not answered.
    pub calls_unanswered: usize,
    /// Of these, calls whose attempt is running in a sandbox. Guest code that nobody awaits any more is not counted.
    pub calls_running: usize,
    /// Of the running ones, calls that wait for a queue.
    pub calls_on_queues: usize,
    /// Attempts that no worker has taken yet, withdrawn ones included until a worker comes across them.
    pub attempts_queued: usize,
    /// How many more calls are accepted before `call` waits and `try_call` refuses.
    pub permits_free: usize,
    /// Calls answered with an output.
    pub calls_completed: u64,
    /// Calls answered without one, by kind: `task-error` for the task's own `Err`, else that of
    /// [`Failure::kind`](crate::Failure::kind). What has not happened is not in it.
    pub calls_failed: BTreeMap<&'static str, u64>,
    /// Attempts that were lost to others, and whose calls were run again.
    pub attempts_run_again: u64,
    /// Attempts that failed, and whose calls were tried again.
    pub attempts_retried: u64,
    /// Calls that pause before their next attempt.
    pub calls_pausing: usize,
    /// How long answered calls were not running, all attempts together. Those with bad input were never queued and
    /// are left out.
    pub waiting: TimeSummary,
    /// How long answered calls were running, all attempts together. Those that never ran are left out.
    pub running: TimeSummary,
}

impl Stats {
    pub(crate) fn of(scheduler: &Scheduler) -> Self {
        let tally = &scheduler.tally;
        let (calls, sandboxes) = (tally.calls(), tally.sandboxes());
        Stats {
            workers: tally.workers(),
            slots: scheduler.slots,
            sandboxes_opening: sandboxes.opening,
            sandboxes_serving: sandboxes.serving,
            sandboxes_retiring: sandboxes.retiring,
            sandboxes_opened: sandboxes.opened,
            sandboxes_not_opened: sandboxes.not_opened,
            sandboxes_retired: sandboxes.retired,
            calls_unanswered: scheduler.ledger.unanswered(),
            calls_running: calls.running,
            calls_on_queues: scheduler.queues.attempts_waiting(),
            attempts_queued: scheduler.queue.calls(),
            permits_free: scheduler.permits.available_permits(),
            calls_completed: calls.completed,
            calls_failed: calls.failed,
            attempts_run_again: tally.attempts_run_again(),
            attempts_retried: tally.attempts_retried(),
            calls_pausing: scheduler.queue.parked(),
            waiting: calls.waiting_times.summary(),
            running: calls.running_times.summary(),
        }
    }

    /// Returns how many sandboxes there are, whatever they are doing.
    pub fn sandboxes(&self) -> usize {
        self.sandboxes_opening + self.sandboxes_serving + self.sandboxes_retiring
    }

    /// Returns how many unanswered calls are not running: queued, with a sandbox that has yet to open, or behind others
    /// that they travel with.
    pub fn calls_waiting(&self) -> usize {
        self.calls_unanswered.saturating_sub(self.calls_running)
    }

    /// Returns how many calls have been answered, well or badly.
    pub fn calls_done(&self) -> u64 {
        self.calls_completed + self.calls_failed.values().sum::<u64>()
    }

    /// Returns how many calls failed as one of the kinds of [`calls_failed`](Self::calls_failed).
    pub fn calls_failed_as(&self, kind: &str) -> u64 {
        self.calls_failed.get(kind).copied().unwrap_or(0)
    }
}
