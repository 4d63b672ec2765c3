//! How a stream of reports takes inputs and hands in their calls, one by one or many together, and takes back those that
//! travelled together.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::error::PoolError;
use crate::failure::Failure;
use crate::outcome::Outcomes;
use crate::pool::handle::CallHandle;
use crate::pool::reports::source::{Calls, Taken};
use crate::pool::reports::{HELD_BYTES, HELD_CALLS, Reports, Submission};
use crate::sandbox::invoke::Invocation;
use crate::scheduler::inbox::{Done, Letters};

/// Calls travel together while their inputs take less than this.
const BATCH_BYTES: usize = 1 << 20;

/// A worker has one batch in hand and finds the next ones ready while the caller makes more.
const BATCHES_PER_WORKER: usize = 3;

/// The clock is read once for so many inputs that come fast, because that takes longer than such an input.
const INPUTS_BETWEEN_LOOKS: usize = 8;

/// Inputs at hand that are to travel together.
struct Collected {
    inputs: usize,
    bytes: usize,
    since: Instant,
}

impl<Out: Send + 'static, E: Send + 'static> Reports<Out, E> {
    /// Takes inputs as long as there is room for their calls.
    pub(super) fn submit_more(&mut self, cx: &mut Context<'_>) {
        let together = match self.counter.takes_batches() {
            true => self.pace.calls_together(),
            false => 1,
        };
        let begun = Instant::now();
        let taken_before = self.taken;
        // Some are there already if the source panicked the last time.
        let (inputs, bytes) = self.source.gathered();
        let mut collected = Collected { inputs, bytes, since: begun };
        while !self.exhausted && self.has_room(together, collected.inputs) {
            let Poll::Ready(next) = self.source.poll_take(cx) else { break };
            let Some(Taken { weight, fit }) = next else {
                self.exhausted = true;
                break;
            };
            self.input_bytes += weight;
            collected.bytes += weight;
            collected.inputs += usize::from(fit.is_ok());
            match fit {
                Ok(()) if !self.are_enough(&collected, together) => {}
                Ok(()) => self.send_gathered(&mut collected),
                Err(failure) => {
                    // Calls have their numbers in the order of their inputs.
                    self.send_gathered(&mut collected);
                    self.send(Err(failure), weight);
                }
            }
        }
        self.send_gathered(&mut collected);
        let inputs = self.taken - taken_before;
        if inputs > 0 {
            self.pace.note_inputs(u32::try_from(inputs).unwrap_or(u32::MAX), begun.elapsed());
        }
    }

    /// Returns true if the inputs at hand should go now.
    fn are_enough(&self, collected: &Collected, together: usize) -> bool {
        if collected.inputs >= together || collected.bytes >= BATCH_BYTES {
            return true;
        }
        // Not all that come fast by the average do: somebody may have nothing to do for want of this one.
        let is_worth_a_look = collected.inputs.is_multiple_of(INPUTS_BETWEEN_LOOKS)
            || !self.pace.inputs_come_fast()
            || self.inbox.has_news()
            || self.together == 0;
        is_worth_a_look && self.pace.is_time(collected.since.elapsed())
    }

    /// Submits a call by itself.
    fn send(&mut self, invocation: Result<Arc<dyn Invocation>, Failure>, weight: usize) {
        let permit = self.counter.scheduler().permits.clone().try_acquire_owned().ok();
        let Some(accepted) = self.counter.accept() else { return self.refuse(weight) };
        let handle = self.counter.submit(accepted, invocation, permit);
        self.running.push(Submission { handle, index: self.taken, weight });
        self.taken += 1;
    }

    /// Ends a call of a pool that is closed.
    fn refuse(&mut self, weight: usize) {
        let handle = CallHandle::refused(PoolError::Closed);
        self.running.push(Submission { handle, index: self.taken, weight });
        self.taken += 1;
    }

    /// Submits calls of the inputs at hand, which travel together if they are more than one.
    fn send_gathered(&mut self, collected: &mut Collected) {
        if collected.inputs == 0 {
            return;
        }
        let Calls { invocation, weights } = self.source.make_calls();
        *collected = Collected { inputs: 0, bytes: 0, since: Instant::now() };
        if let [weight] = weights[..] {
            return self.send(Ok(invocation), weight);
        }
        let inputs = weights.len();
        let outcomes = Outcomes::<Out, E> { outputs: Vec::with_capacity(inputs), errors: Vec::new() };
        match self.counter.submit_batch(invocation, weights, self.taken, Box::new(outcomes), &self.inbox) {
            Ok(batch) => {
                self.batches.push(batch);
                self.together += inputs;
                self.taken += inputs;
            }
            Err(weights) => weights.into_iter().for_each(|weight| self.refuse(weight)),
        }
    }

    fn has_room(&self, together: usize, collected: usize) -> bool {
        let held = self.held.calls() + collected;
        if self.running.is_empty() && self.together == 0 && held == 0 {
            return true;
        }
        let is_wanted = match together {
            1 => self.running.len() + self.batches.len() < self.window,
            _ => {
                self.running.len() < self.window
                    && self.batches.len() < self.counter.workers() * BATCHES_PER_WORKER
            }
        };
        let bytes = self.input_bytes + self.held.bytes();
        is_wanted && held < HELD_CALLS && bytes < HELD_BYTES
    }

    /// Takes what has come back of calls that travelled together.
    pub(super) fn open_letters(&mut self) {
        if !self.inbox.has_news() {
            return;
        }
        let Letters { done, promoted, dissolved, .. } = self.inbox.take();
        self.pace.note_batches(dissolved);
        self.batches.retain(|batch| !batch.is_over());
        self.together -= promoted.len();
        for promoted in promoted {
            let (index, weight) = (promoted.index, promoted.weight);
            let (call, settlement) = promoted.take();
            let handle = CallHandle::accepted(self.counter.pool.clone(), call, settlement);
            self.running.push(Submission { handle, index, weight });
        }
        for done in done {
            let calls = &done.calls;
            self.together -= calls.len();
            self.ended += calls.len();
            self.failed += calls.iter().filter(|done| done.is_error).count();
            self.pace.note_calls(calls.iter().map(Done::running));
            self.input_bytes -= self.held.hold_all(done, self.weigh);
        }
    }
}
