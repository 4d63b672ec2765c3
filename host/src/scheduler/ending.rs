//! How a call ends: given up by its caller or for its time, lost to others, or settled with its answer. What was lost to
//! others is run again here.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use crate::call::{AttemptId, Company};
use crate::event::Event;
use crate::failure::Failure;
use crate::foreign::wake_for;
use crate::lifespan::{self, Rerun};
use crate::outcome::Interruption;
use crate::scheduler::calls::Call;
use crate::scheduler::progress::{Progress, RunningAttempt, SettledEnd, Settlement};

impl Call {
    /// Ends the call for the caller at once, whatever its attempt is doing.
    pub(crate) fn withdraw(&self) {
        self.give_up(self.progress(), Failure::Cancelled);
    }

    /// Ends the call for the caller, and has its worker told.
    pub(super) fn give_up(&self, mut progress: MutexGuard<'_, Progress>, failure: Failure) {
        if progress.caller.is_none() {
            return;
        }
        let number = progress.present_attempt();
        if matches!(failure, Failure::TimedOut(_)) {
            // Before anybody can see that it is not awaited: what computes on is stopped at once then.
            self.out_of_time.store(number, Ordering::Release);
        }
        let attempt = self.end_attempt(&mut progress, Some(failure.kind()));
        progress.attempts += u32::from(attempt.is_some());
        let worker = attempt.as_ref().map(|attempt| (attempt.worker.clone(), attempt.known_as));
        let has_begun = worker.is_some();
        // One that waits may do so in the queue or with a worker, or have gone from one to the other just now.
        let seated = || Some((progress.seated_with.take()?, self.attempt(number)));
        let worker = worker.or_else(seated);
        self.settle(progress, attempt, SettledEnd::Failed(failure));
        if let Some((worker, known_as)) = worker {
            worker.withdraw(known_as);
        }
        if !has_begun {
            self.scheduler.queue.note_withdrawn();
        }
    }

    /// Runs the call again after its attempt was lost, or tells the caller that it will not be.
    pub(super) fn interrupted(
        self: &Arc<Self>,
        mut progress: MutexGuard<'_, Progress>,
        attempt: Option<RunningAttempt>,
        by: &Interruption,
    ) {
        let interruptions = progress.interruptions + 1;
        // What has not begun has done nothing.
        let effects = attempt.is_some() && self.had_effect.load(Ordering::Acquire);
        let rerun = match attempt.is_none() || self.rules.rerun.allows(effects) {
            true => lifespan::after_interruption(interruptions, progress.company, by),
            false => Rerun::GiveUp,
        };
        let Rerun::Again(company) = rerun else {
            progress.interruptions = interruptions;
            let failure = Failure::Interrupted { reason: by.to_string(), effects };
            return self.settle(progress, attempt, SettledEnd::Failed(failure));
        };
        let number = progress.attempts + interruptions + 1;
        // From now on the lost attempt has nothing to say.
        let lost = self.present.swap(number, Ordering::AcqRel);
        // No worker gets at the call before this lock is free, so what is noted and told here comes first.
        if let Err(job) = self.scheduler.queue.push_front(self.next_job(number, company)) {
            // The pool ends, and that is what ended the attempt: nobody else's doing, and not to be counted as such.
            progress.attempts += u32::from(attempt.is_some());
            self.settle(progress, attempt, SettledEnd::Failed(Failure::Cancelled));
            self.scheduler.queues.attempt_ended(self.attempt(lost), false);
            // The job's reply comes back to this call, which must not be locked then.
            drop(job);
            return;
        }
        progress.interruptions = interruptions;
        progress.company = company;
        self.scheduler.teller.tell(|| Event::RunAgain {
            call: self.id,
            reason: by.to_string(),
            alone: company == Company::Alone,
        });
        self.scheduler.tally.count_run_again();
        self.watch(&progress, Instant::now());
        drop(progress);
        self.scheduler.queues.attempt_ended(self.attempt(lost), false);
        if let Some(attempt) = attempt {
            attempt.end(Some("interrupted"));
        }
    }

    /// Notes that the present attempt is over, whether or not it had begun, and returns it if it had.
    pub(super) fn end_attempt(
        &self,
        progress: &mut Progress,
        failure: Option<&'static str>,
    ) -> Option<RunningAttempt> {
        let (running_attempt, running) = progress.end_attempt()?;
        let attempt = AttemptId { call: self.id, attempt: progress.present_attempt() };
        self.scheduler.teller.tell(|| Event::AttemptEnded { attempt, failure, running });
        Some(running_attempt)
    }

    /// Tells the caller how the call ended, if that has not been told. `last` is the attempt that ended with it.
    pub(super) fn settle(
        &self,
        mut progress: MutexGuard<'_, Progress>,
        last: Option<RunningAttempt>,
        end: SettledEnd,
    ) {
        let Some(caller) = progress.caller.take() else { return };
        drop(progress.permit.take());
        let ended = self.present.swap(0, Ordering::AcqRel);
        let failure = end.failure();
        self.scheduler.teller.tell(|| Event::CallEnded {
            call: self.id,
            task: self.task.clone(),
            failure,
            attempts: progress.attempts,
            waiting: progress.waiting,
            running: progress.running,
        });
        let settlement = Settlement {
            end,
            attempts: progress.attempts,
            interruptions: progress.interruptions,
            waiting: progress.waiting,
            running: progress.running,
            history: std::mem::take(&mut progress.history),
        };
        let span = std::mem::take(&mut progress.span);
        // What wakes the caller, listens to spans, or drops what nobody wants, is not ours and may come back to
        // this call.
        drop(progress);
        self.scheduler.queues.attempt_ended(self.attempt(ended), failure.is_none());
        let counted = last.as_ref().map(|attempt| &attempt.counted);
        self.scheduler.tally.count_answered(counted, failure, settlement.waiting, settlement.running);
        if let Some(attempt) = last {
            attempt.end(failure);
        }
        span.end(settlement.attempts, failure);
        self.scheduler.ledger.answered(1);
        // Nobody listens any more if the handle has been dropped.
        wake_for("an answer", || drop(caller.send(settlement)));
    }
}
