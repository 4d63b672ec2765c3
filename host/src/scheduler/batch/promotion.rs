//! How a call of a batch, which was only a number, becomes a call of its own: before it begins, while it runs, or when it
//! has failed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::reply::Surroundings;
use crate::scheduler::batch::{Batch, State};
use crate::scheduler::calls::{Call, Order};
use crate::scheduler::inbox::Promoted;
use crate::scheduler::progress::{Progress, RunningAttempt};
use crate::spans::CallSpan;

impl Batch {
    /// Makes the call that runs a call of its own, if one runs.
    pub(super) fn promote_running(&self, state: &mut State) -> Option<Promoted> {
        if !state.is_running {
            return None;
        }
        // From now on the batch has nothing to do with it.
        let number = self.present.load(Ordering::Relaxed);
        let promoted = self.make_running_call(state, number);
        state.is_running = false;
        // Set once at most: no call begins after it.
        let _ = self.promoted.set((number, promoted.call().clone()));
        promoted.call().watch_now();
        Some(promoted)
    }

    /// Makes the call that runs a call of its own.
    pub(super) fn make_running_call(&self, state: &mut State, number: u32) -> Promoted {
        let place = state.place.as_ref().expect("what runs does so somewhere");
        let surroundings = Surroundings { worker: place.worker, bell: &place.bell, hold: &place.hold };
        let counted = self.scheduler.tally.count_attempt(place.worker);
        let running = RunningAttempt::new(surroundings, counted, self.attempt(0), Instant::now());
        let promoted = self.make_call(state, number, Some(running));
        let call = promoted.call();
        call.kept_others_us.store(self.kept_others_us.load(Ordering::Relaxed), Ordering::Relaxed);
        call.had_effect.store(self.had_effect.load(Ordering::Acquire), Ordering::Release);
        promoted
    }

    pub(super) fn make_call(
        &self,
        state: &mut State,
        number: u32,
        running: Option<RunningAttempt>,
    ) -> Promoted {
        let (caller, settlement) = oneshot::channel();
        let permit = state.permit.as_mut().and_then(|permit| permit.split(1));
        let mut progress = Progress::new(self.submitted, caller, permit, CallSpan::default());
        if let Some(running) = running {
            progress.begin_attempt(running, state.since);
        }
        let order = Order {
            task: self.task.clone(),
            module: self.module,
            invocation: self.invocation.clone(),
            number: number as usize,
            affinity: None,
            rules: self.rules.clone(),
        };
        let call = self.scheduler.make_call(self.attempt(number).call, order, progress);
        let index = self.first_index + number as usize;
        Promoted::new(index, self.weights[number as usize], call, settlement)
    }

    /// Returns the call of a number that has become one while it ran.
    pub(super) fn promoted(&self, number: u32) -> Option<&Arc<Call>> {
        self.promoted.get().filter(|(promoted, _)| *promoted == number).map(|(_, call)| call)
    }
}
