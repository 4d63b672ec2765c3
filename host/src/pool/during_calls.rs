//! What a pool's builder says about the time of the calls: how many workers there are, which calls share a sandbox,
//! and for how long.

use std::time::Duration;

use crate::call::{Isolation, RerunInterrupted};
use crate::pool::builder::PoolBuilder;
use crate::pool::staff::Workers;
use crate::retry::RetryPolicy;

impl PoolBuilder {
    /// Sets the number of workers, each a thread with its own event loop. Default: one per core.
    ///
    /// With a range such as `2..=8` the pool starts with the least; one more comes when calls have been waiting for
    /// some 20 ms while all workers are taken, and goes when it was without a call for
    /// [`idle_timeout`](Self::idle_timeout), or for a minute if that is not set.
    pub fn workers(mut self, workers: impl Into<Workers>) -> Self {
        self.staff.workers = Some(workers.into());
        self
    }

    /// Sets how long an attempt may run, from the moment its worker begins it; see
    /// [`Limits::attempt_timeout`](crate::Limits). It counts before a task's `#[timeout]`, and after a handle's
    /// [`with_timeout`](crate::Task::with_timeout). Default: no limit.
    pub fn attempt_timeout(mut self, time: Duration) -> Self {
        self.limits.attempt_timeout = Some(time);
        self
    }

    /// Sets how long an attempt may wait for a worker. Default: no limit.
    pub fn queue_timeout(mut self, time: Duration) -> Self {
        self.limits.queue_timeout = Some(time);
        self
    }

    /// Sets how long a call may take in all, from its submission, whatever it waits for. Default: no limit.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.limits.deadline = Some(time);
        self
    }

    /// Sets which calls that fail are tried again, and when. What the policy leaves open is as the task's `#[retry(…)]`
    /// says. Default: as that says, and one attempt for a task without it.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Sets whether calls are run again whose attempt was lost through no fault of their own. Default: unless they may
    /// have changed something outside their sandbox.
    pub fn rerun_interrupted(mut self, policy: RerunInterrupted) -> Self {
        self.rerun_interrupted = policy;
        self
    }

    /// Sets how many calls a worker keeps in flight. Default: 16, or 1 if no module has an async task.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.staff.concurrency = Some(calls);
        self
    }

    /// Sets which calls share a sandbox. Default: [`Isolation::Shared`] for modules with async tasks,
    /// [`Isolation::Exclusive`] for others.
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.staff.isolation = Some(isolation);
        self
    }

    /// Sets how many calls a sandbox serves before a new one takes its place. Default: no limit.
    ///
    /// The number is never exceeded. Above 10 calls sandboxes end a little earlier, see
    /// [`recycle_spread`](Self::recycle_spread). A sandbox that retires finishes its calls while its replacement serves.
    pub fn recycle_after(mut self, calls: u64) -> Self {
        self.staff.recycle_after = Some(calls);
        self
    }

    /// Sets how old a sandbox becomes before a new one takes its place. Default: no limit.
    pub fn recycle_age(mut self, age: Duration) -> Self {
        self.staff.recycle_age = Some(age);
        self
    }

    /// Sets how much memory, in bytes, a sandbox may have after a call before a new one takes its place: a guest's
    /// memory never shrinks. Default: no limit. It does not keep a call from taking more.
    pub fn recycle_memory_bytes(mut self, bytes: usize) -> Self {
        self.staff.recycle_memory_bytes = Some(bytes);
        self
    }

    /// Sets by which part of a limit sandboxes retire earlier, each by its own random part of it, so that not all
    /// of them are replaced at once. Of a number of calls only whole calls are taken off. Default 0.1; 0 is none.
    pub fn recycle_spread(mut self, part: f64) -> Self {
        self.staff.recycle_spread = Some(part);
        self
    }

    /// Sets how long a sandbox is kept without a call. Default: as long as its worker lives.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.staff.idle_timeout = Some(time);
        self
    }
}
