//! What a batch hears from the worker that runs it, and from the watchdog.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::bell::Bell;
use crate::event::Event;
use crate::outcome::{Answer, Ending, Form};
use crate::reply::{Desk, Reply, Standing, Surroundings};
use crate::sandbox::engine::TICK;
use crate::sandbox::invoke::{GivesTurns, Turn};
use crate::scheduler::batch::{Batch, Leftovers, RunningPlace, WHOLE};
use crate::scheduler::inbox::Done;
use crate::scheduler::watchdog::Watched;

impl GivesTurns for Batch {
    fn next(self: Arc<Self>) -> Option<Turn> {
        let mut state = self.state();
        let worker = state.place.as_ref()?.worker;
        let number = state.next;
        if self.is_over() || number == self.len() {
            return None;
        }
        state.next += 1;
        state.is_running = true;
        self.present.store(number, Ordering::Release);
        // Read first, because they are hardly ever set.
        if self.kept_others_us.load(Ordering::Relaxed) != 0 {
            self.kept_others_us.store(0, Ordering::Relaxed);
        }
        if self.had_effect.load(Ordering::Relaxed) != self.rules.has_unseen_effects {
            self.had_effect.store(self.rules.has_unseen_effects, Ordering::Release);
        }
        let attempt = self.attempt(number);
        let started = || Event::AttemptStarted { attempt, task: self.task.clone(), worker };
        // Under the lock, so that nobody tells of its end before.
        self.scheduler.teller.tell(started);
        drop(state);
        Some(Turn { number: number as usize, attempt, reply: Reply::to(self, number) })
    }
}

impl Desk for Batch {
    fn seated(&self, _: u32, bell: &Arc<Bell>) -> bool {
        let mut state = self.state();
        state.seated_with = Some(bell.clone());
        !self.is_over()
    }

    fn begun(&self, _: u32, surroundings: Surroundings<'_>) -> bool {
        let mut state = self.state();
        if self.is_over() {
            return false;
        }
        let Surroundings { worker, bell, hold } = surroundings;
        let counted = self.scheduler.tally.count_attempt(worker);
        state.place = Some(RunningPlace { worker, bell: bell.clone(), hold: hold.clone(), counted });
        let now = Instant::now();
        (state.begun, state.since, state.waited) = (Some(now), now, now - self.submitted);
        drop(state);
        self.scheduler.watchdog.watch(self.first.get(), self.me.clone(), 0, now + TICK);
        true
    }

    fn standing(&self, number: u32) -> Standing {
        if number == WHOLE {
            return if self.is_over() { Standing::Unawaited } else { Standing::Awaited };
        }
        match self.promoted(number) {
            Some(call) => call.standing(1),
            None if self.present.load(Ordering::Acquire) == number => Standing::Awaited,
            None => Standing::Unawaited,
        }
    }

    fn kept_others_waiting(&self, number: u32, time: Duration) {
        // Under the lock, so that one who is promoted meanwhile takes it along.
        let _state = self.state();
        if let Some(call) = self.promoted(number) {
            return call.kept_others_waiting(1, time);
        }
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.kept_others_us.fetch_add(time_us, Ordering::Relaxed);
    }

    fn had_effect(&self, number: u32) {
        let _state = self.state();
        match self.promoted(number) {
            Some(call) => call.had_effect(1),
            None => self.had_effect.store(true, Ordering::Release),
        }
    }

    fn stalled(&self, number: u32, reason: String) {
        self.waits();
        if let Some(call) = self.promoted(number) {
            call.stalled(1, reason);
        }
    }

    fn waits(&self) {
        let state = self.state();
        if !self.is_over() && state.is_running {
            self.dissolve(state);
        }
    }

    fn ended(self: Arc<Self>, number: u32, ending: Ending) {
        let mut state = self.state();
        if number == WHOLE {
            if !self.is_over() {
                // Before it has begun its sandbox did not open. Otherwise it is only said that no more calls begin.
                let not_started = match ending {
                    Ending::Failed(failure) if state.begun.is_none() => Some(failure),
                    _ => None,
                };
                self.close(state, Leftovers { not_started, ..Leftovers::default() });
            }
            return;
        }
        if !self.is_mere_number(&state, number) {
            drop(state);
            if let Some(call) = self.promoted(number) {
                call.clone().ended(1, ending);
            }
            return;
        }
        let promoted = self.make_running_call(&mut state, number);
        // The call has taken its times along.
        state.end_present(Instant::now());
        self.note_ended(&mut state);
        drop(state);
        let call = promoted.call().clone();
        self.inbox.deliver(None, vec![promoted], false);
        call.ended(1, ending);
    }

    fn answered(self: Arc<Self>, number: u32, answer: &mut dyn Answer) {
        let is_error = match answer.form() {
            Form::Completed => false,
            Form::Returned if self.rules.retry.is_none() => true,
            Form::Returned | Form::Failed => return self.ended(number, answer.wrap()),
        };
        let now = Instant::now();
        let mut guard = self.state();
        let state = &mut *guard;
        // Of a call that has been promoted, or whose batch is over, there is more to tell.
        let (true, Some(outcomes)) = (self.is_mere_number(state, number), &mut state.outcomes) else {
            drop(guard);
            return self.ended(number, answer.wrap());
        };
        answer.put_into(&mut **outcomes);
        let (waiting, running) = state.end_present(now);
        let done = Done::new(number, self.weights[number as usize], is_error, waiting, running);
        if self.scheduler.teller.is_heard() {
            self.tell_ended(&done);
        }
        state.done.push(done);
        self.note_ended(state);
        drop(guard);
        self.scheduler.queues.attempt_ended(self.attempt(number), !is_error);
    }
}

impl Watched for Batch {
    fn is_worth_a_look(&self, _: u32) -> bool {
        !self.is_over()
    }

    fn look(self: Arc<Self>, _: u32) -> Option<Duration> {
        let state = self.state();
        if self.is_over() {
            return None;
        }
        // Between two calls too: those to come are not to wait behind it any longer.
        let left = state.begun.map_or(TICK, |begun| TICK.saturating_sub(begun.elapsed()));
        if !left.is_zero() {
            return Some(left);
        }
        self.dissolve(state);
        None
    }
}
