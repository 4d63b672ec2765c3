//! How a stream of reports takes inputs and hands in their calls, one by one or many together, and takes back those that
//! travelled together.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::stream::StreamExt;

use crate::error::PoolError;
use crate::failure::Failure;
use crate::outcome::CallReport;
use crate::pool::handle::{CallHandle, unwrap_end};
use crate::pool::reports::{Ended, HELD_BYTES, HELD_CALLS, Prepared, Reports, Submission};
use crate::sandbox::invoke::Invocation;
use crate::scheduler::batch::Item;
use crate::scheduler::inbox::{Done, Letters};

/// Calls travel together while their inputs take less than this.
const BATCH_BYTES: usize = 1 << 20;

/// A worker has one batch in hand and finds the next ones ready while the caller makes more.
const BATCHES_PER_WORKER: usize = 3;

/// Inputs at hand that are to travel together.
struct Collected {
    items: Vec<Item>,
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
        let mut collected = Collected { items: Vec::new(), bytes: 0, since: begun };
        while !self.exhausted && self.has_room(together, collected.items.len()) {
            let Poll::Ready(next) = self.source.poll_next_unpin(cx) else { break };
            let Some(Prepared { work, weight }) = next else {
                self.exhausted = true;
                break;
            };
            self.held_bytes += weight;
            match work {
                Ok(work) if together > 1 => {
                    collected.bytes += weight;
                    collected.items.push(Item { work, weight });
                    let is_enough = collected.items.len() >= together || collected.bytes >= BATCH_BYTES;
                    if is_enough || self.pace.is_time(collected.since.elapsed()) {
                        self.send_together(&mut collected, together);
                    }
                }
                work => {
                    // Calls have their numbers in the order of their inputs.
                    self.send_together(&mut collected, together);
                    self.send(work, weight);
                }
            }
        }
        self.send_together(&mut collected, together);
        let inputs = self.taken - taken_before;
        if inputs > 0 {
            self.pace.note_inputs(u32::try_from(inputs).unwrap_or(u32::MAX), begun.elapsed());
        }
    }

    /// Submits a call by itself.
    fn send(&mut self, work: Result<Arc<dyn Invocation>, Failure>, weight: usize) {
        let permit = self.counter.scheduler().permits.clone().try_acquire_owned().ok();
        let handle = match self.counter.accept() {
            Some(accepted) => self.counter.submit(accepted, work, permit),
            None => CallHandle::refused(PoolError::Closed),
        };
        self.running.push(Submission { handle, index: self.taken, weight });
        self.taken += 1;
    }

    /// Submits calls that travel together.
    fn send_together(&mut self, collected: &mut Collected, together: usize) {
        if collected.items.is_empty() {
            return;
        }
        let mut items = std::mem::replace(&mut collected.items, Vec::with_capacity(together));
        (collected.bytes, collected.since) = (0, Instant::now());
        let calls = items.len();
        if calls == 1 {
            items.drain(..).for_each(|item| self.send(Ok(item.work), item.weight));
            return;
        }
        match self.counter.submit_batch(items, self.taken, &self.inbox) {
            Ok(batch) => {
                self.batches.push(batch);
                self.together += calls;
                self.taken += calls;
            }
            Err(items) => items.into_iter().for_each(|item| self.send(Ok(item.work), item.weight)),
        }
    }

    fn has_room(&self, together: usize, collected: usize) -> bool {
        let held = self.places_held() + collected;
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
        is_wanted && held < HELD_CALLS && self.held_bytes < HELD_BYTES
    }

    /// Takes what has come back of calls that travelled together.
    pub(super) fn open_letters(&mut self) {
        if !self.inbox.has_news() {
            return;
        }
        let Letters { done, promoted, dissolved, .. } = self.inbox.take();
        self.pace.note_batches(dissolved);
        self.batches.retain(|batch| !batch.is_over());
        self.together -= done.len() + promoted.len();
        self.pace.note_calls(done.iter().map(|done| done.running));
        for promoted in promoted {
            let (index, weight) = (promoted.index, promoted.weight);
            let (call, settlement) = promoted.take();
            let handle = CallHandle::accepted(self.counter.pool.clone(), call, settlement);
            self.running.push(Submission { handle, index, weight });
        }
        for done in done {
            self.hold(ended(done));
        }
    }
}

/// Takes the output of a call that travelled with others out of its wrapping.
fn ended<Out: 'static, E: 'static>(done: Done) -> Ended<Out, E> {
    let report = CallReport {
        id: done.id,
        index: done.index,
        outcome: unwrap_end(done.end),
        attempts: 1,
        interruptions: 0,
        waiting: done.waiting,
        running: done.running,
        history: Vec::new(),
    };
    Ended { report, weight: done.weight, is_refused: false }
}
