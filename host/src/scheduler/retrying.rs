//! What becomes of a call whose attempt failed: it is tried again after a pause if its policy (`retry`) says so, else the
//! caller hears. While it pauses its job is parked in the queue, and the watchdog wakes it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::call::{AttemptId, Company};
use crate::event::Event;
use crate::failure::{Failure, TimedOut};
use crate::outcome::{Ending, FailedAttempt, error_text};
use crate::retry::{Budget, RetryPolicy, Setback};
use crate::scheduler::calls::Call;
use crate::scheduler::progress::{Progress, RunningAttempt, SettledEnd};

/// How much of an attempt's message is kept for the report.
const MESSAGE_CHARS: usize = 1_000;

/// How many failed attempts are kept for the report.
const HISTORY_ATTEMPTS: usize = 100;

impl Call {
    /// Tells the caller how the call ended, unless it is tried again. `setback` is what its policy knows of a failure.
    pub(super) fn failed_or_done(
        self: &Arc<Self>,
        progress: MutexGuard<'_, Progress>,
        attempt: Option<RunningAttempt>,
        end: SettledEnd,
        setback: Option<(&RetryPolicy, Setback)>,
    ) {
        let next = setback.filter(|_| attempt.is_some()).and_then(|(policy, setback)| {
            let budget = self.budget(&progress);
            let delay = policy.delay_after(progress.attempts, &setback, budget, fastrand::f64())?;
            Some((setback, delay))
        });
        match (next, attempt) {
            (Some((setback, delay)), Some(attempt)) => {
                self.try_again(progress, attempt, end, &setback, delay)
            }
            (_, attempt) => self.settle(progress, attempt, end),
        }
    }

    /// Ends an attempt that has used up its time, and tries the call again or tells the caller.
    pub(super) fn out_of_time(self: &Arc<Self>, mut progress: MutexGuard<'_, Progress>, timed_out: TimedOut) {
        let ending = Ending::Failed(Failure::TimedOut(timed_out));
        // The test for errors is not asked about time, so it is no harm that the call is locked.
        let setback = self.rules.retry.judge(&ending);
        let Ending::Failed(failure) = ending else { unreachable!("it was made above") };
        if setback.is_none() || progress.running_attempt.is_none() {
            return self.give_up(progress, failure);
        }
        let lost = AttemptId { call: self.id, attempt: progress.present_attempt() };
        // Before anybody can see that it is not awaited: what computes on is stopped at once then.
        self.out_of_time.store(lost.attempt, Ordering::Release);
        let attempt = self.end_attempt(&mut progress, Some(failure.kind()));
        progress.attempts += 1;
        let worker = attempt.as_ref().map(|attempt| (attempt.worker.clone(), attempt.known_as));
        self.failed_or_done(progress, attempt, SettledEnd::Failed(failure), setback);
        if let Some((worker, known_as)) = worker {
            worker.withdraw(known_as);
        }
    }

    fn try_again(
        self: &Arc<Self>,
        mut progress: MutexGuard<'_, Progress>,
        attempt: RunningAttempt,
        end: SettledEnd,
        setback: &Setback,
        delay: Duration,
    ) {
        let (kind, message) = described(&end);
        if setback.kind.harms_neighbours() {
            progress.company = Company::Alone;
        }
        let next = AttemptId { call: self.id, attempt: progress.present_attempt() };
        // From now on the attempt that failed has nothing more to say.
        let failed = self.attempt(self.present.swap(next.attempt, Ordering::AcqRel));
        let job = self.next_job(next.attempt, progress.company);
        let queued = match delay.is_zero() {
            true => self.scheduler.queue.push_front(job),
            false => self.scheduler.queue.park(job),
        };
        if let Err(job) = queued {
            // The pool ends, so this is how the call ends.
            self.settle(progress, Some(attempt), end);
            self.scheduler.queues.attempt_ended(failed, false);
            // The job's reply comes back to this call, which must not be locked then.
            drop(job);
            return;
        }
        let history = FailedAttempt { attempt: failed.attempt, kind, message, running: attempt.ran, delay };
        progress.pause(history, HISTORY_ATTEMPTS);
        self.scheduler.teller.tell(|| Event::RetryIn {
            attempt: next,
            task: self.task.clone(),
            failure: kind,
            delay,
        });
        self.scheduler.tally.count_retried();
        self.watch(&progress, Instant::now());
        drop(progress);
        self.scheduler.queues.attempt_ended(failed, false);
        attempt.end(Some(kind));
        // What the task returned is somebody's own, and goes outside the lock like all that is not ours.
        drop(end);
    }

    /// Lets the next attempt wait for a worker.
    pub(super) fn end_pause(&self, mut progress: MutexGuard<'_, Progress>) {
        progress.end_pause();
        self.watch(&progress, Instant::now());
        let attempt = AttemptId { call: self.id, attempt: progress.present_attempt() };
        self.scheduler.queue.release(attempt);
    }

    fn budget(&self, progress: &Progress) -> Budget {
        let taken = self.taken(progress, Instant::now());
        let deadline = self.rules.terms.deadline;
        Budget {
            since_first: progress.since_first_attempt(),
            until_deadline: deadline.map(|deadline| deadline.saturating_sub(taken.since_submission)),
        }
    }
}

/// Returns the kind of a failure, and what it says.
fn described(end: &SettledEnd) -> (&'static str, String) {
    let (kind, message) = match end {
        SettledEnd::Completed(_) => ("completed", None),
        SettledEnd::Returned(error) => ("task-error", error_text(error)),
        SettledEnd::Failed(failure) => (failure.kind(), Some(failure.message())),
    };
    let message = message.unwrap_or_default();
    match message.char_indices().nth(MESSAGE_CHARS) {
        None => (kind, message),
        Some((end, _)) => (kind, message[..end].to_owned()),
    }
}
