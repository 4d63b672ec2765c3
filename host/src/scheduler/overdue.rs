//! What happens to a call that takes too long. The watchdog's thread comes by when something may be due; the rules
//! (`patience`) decide, and here it is done: the caller hears at once, whatever the worker is doing, and the worker is
//! told that nobody awaits the attempt any more.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use crate::call::AttemptId;
use crate::event::Event;
use crate::outcome::Interruption;
use crate::patience::{Taken, Verdict};
use crate::scheduler::calls::Call;
use crate::scheduler::progress::Progress;
use crate::scheduler::watchdog::Watched;

impl Call {
    /// Has the watchdog look when something may be due in the call's present stage. No look asked for earlier counts.
    pub(super) fn watch(&self, progress: &Progress, now: Instant) {
        self.watch_from(&self.taken(progress, now), now);
    }

    /// As [`watch`](Self::watch) at the beginning of a stage that is no pause, for which next to nothing has to be found out.
    pub(super) fn watch_from_beginning(&self, progress: &Progress, now: Instant) {
        self.watch_from(&progress.taken_at_beginning(now), now);
    }

    fn watch_from(&self, taken: &Taken, now: Instant) {
        let turn = self.turn.fetch_add(1, Ordering::AcqRel) + 1;
        let after = match self.rules.terms.judge(taken) {
            Verdict::GoOn(None) => return,
            Verdict::GoOn(Some(after)) => after,
            _ => Duration::ZERO,
        };
        // A time that no clock reaches is none.
        if let Some(at) = now.checked_add(after) {
            self.scheduler.watchdog.watch(self.id.get(), self.me.clone(), turn, at);
        }
    }

    /// Tells that the present attempt is slow.
    fn tell_slow(&self, mut progress: MutexGuard<'_, Progress>) {
        progress.is_known_as_slow = true;
        let attempt = AttemptId { call: self.id, attempt: progress.present_attempt() };
        let running = self.taken(&progress, Instant::now()).in_stage;
        self.scheduler.teller.tell(|| Event::SlowCall {
            attempt,
            task: self.task.clone(),
            running,
            timeout: self.rules.terms.attempt_timeout,
        });
    }

    /// Takes the call away from its worker, where others use up its time.
    fn move_elsewhere(self: &Arc<Self>, mut progress: MutexGuard<'_, Progress>) {
        progress.moves += 1;
        let attempt = self.end_attempt(&mut progress, Some("interrupted"));
        if let Some(attempt) = &attempt {
            attempt.withdraw();
        }
        self.interrupted(progress, attempt, &Interruption::KeptWaiting);
    }
}

impl Watched for Call {
    fn is_worth_a_look(&self, turn: u32) -> bool {
        self.turn.load(Ordering::Acquire) == turn && !self.is_settled()
    }

    fn look(self: Arc<Self>, turn: u32) -> Option<Duration> {
        let progress = self.progress();
        if !self.is_worth_a_look(turn) {
            return None;
        }
        match self.rules.terms.judge(&self.taken(&progress, Instant::now())) {
            Verdict::GoOn(after) => after,
            Verdict::TellSlow => {
                self.tell_slow(progress);
                Some(Duration::ZERO)
            }
            Verdict::Stop(timed_out) => {
                self.out_of_time(progress, timed_out);
                None
            }
            Verdict::TryAgain => {
                self.end_pause(progress);
                None
            }
            Verdict::Move => {
                self.move_elsewhere(progress);
                None
            }
        }
    }
}
