//! What a call hears from the worker that has its attempt. What an attempt says that was given up counts for nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::call::AttemptId;
use crate::event::Event;
use crate::failure::Failure;
use crate::outcome::Ending;
use crate::reply::{Desk, Standing, Surroundings};
use crate::scheduler::calls::Call;
use crate::scheduler::progress::{RunningAttempt, SettledEnd};

impl Desk for Call {
    fn seated(&self, attempt: u32, bell: &Arc<Bell>) -> bool {
        let mut progress = self.progress();
        if progress.caller.is_none() || progress.present_attempt() != attempt {
            return false;
        }
        progress.seated_with = Some(bell.clone());
        true
    }

    fn begun(&self, attempt: u32, surroundings: Surroundings<'_>) -> bool {
        let mut progress = self.progress();
        if progress.caller.is_none() || progress.present_attempt() != attempt {
            return false;
        }
        self.kept_others_us.store(0, Ordering::Relaxed);
        self.had_effect.store(self.rules.has_unseen_effects, Ordering::Release);
        let worker = surroundings.worker;
        let counted = self.scheduler.tally.count_attempt(worker);
        let id = AttemptId { call: self.id, attempt };
        let now = Instant::now();
        progress.begin_attempt(RunningAttempt::new(surroundings, counted, id, now), now);
        self.watch_from_beginning(&progress, now);
        let started = || Event::AttemptStarted { attempt: id, task: self.task.clone(), worker };
        self.scheduler.teller.tell(started);
        let span = progress.span.clone();
        drop(progress);
        self.begin_attempt_span(&span, attempt, worker);
        true
    }

    fn standing(&self, attempt: u32) -> Standing {
        if self.present.load(Ordering::Acquire) == attempt {
            Standing::Awaited
        } else if self.out_of_time.load(Ordering::Acquire) == attempt {
            Standing::OutOfTime
        } else {
            Standing::Unawaited
        }
    }

    fn kept_others_waiting(&self, attempt: u32, time: Duration) {
        if self.present.load(Ordering::Acquire) == attempt {
            let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
            self.kept_others_us.fetch_add(time_us, Ordering::Relaxed);
        }
    }

    fn had_effect(&self, attempt: u32) {
        if self.present.load(Ordering::Acquire) == attempt {
            self.had_effect.store(true, Ordering::Release);
        }
    }

    fn stalled(&self, attempt: u32, reason: String) {
        let progress = self.progress();
        if self.present.load(Ordering::Acquire) == attempt {
            let effects = self.had_effect.load(Ordering::Acquire);
            self.give_up(progress, Failure::Interrupted { reason, effects });
        }
    }

    fn ended(self: Arc<Self>, number: u32, ending: Ending) {
        // Before the call is locked, because it may ask somebody who is not ours.
        let setback = self.rules.retry.judge(&ending);
        let mut progress = self.progress();
        if progress.caller.is_none() || progress.present_attempt() != number {
            return;
        }
        let failure = match &ending {
            Ending::Completed(_) => None,
            Ending::Returned(_) => Some("task-error"),
            Ending::Failed(failure) => Some(failure.kind()),
            Ending::Interrupted(_) => Some("interrupted"),
        };
        let attempt = self.end_attempt(&mut progress, failure);
        let end = match ending {
            Ending::Interrupted(by) => return self.interrupted(progress, attempt, &by),
            Ending::Completed(parcel) => SettledEnd::Completed(parcel),
            Ending::Returned(parcel) => SettledEnd::Returned(parcel),
            Ending::Failed(failure) => SettledEnd::Failed(failure),
        };
        progress.attempts += u32::from(attempt.is_some());
        self.failed_or_done(progress, attempt, end, setback);
    }
}
