//! Many calls of one task as a stream of their reports. Short ones travel together: how many is for `pace` to say.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::stream::{BoxStream, FuturesUnordered, Stream, StreamExt};

use crate::call::CallId;
use crate::error::{CallError, PoolError};
use crate::failure::Failure;
use crate::outcome::{CallReport, Outcome};
use crate::pool::counter::Counter;
use crate::pool::handle::{CallHandle, unwrap_end};
use crate::pool::pace::Pace;
use crate::sandbox::invoke::Invocation;
use crate::scheduler::batch::{Batch, Item};
use crate::scheduler::inbox::{Done, Inbox, Letters};

/// Ended calls that wait for an earlier one, at most, in input order.
const HELD_CALLS: usize = 65_536;

/// Calls travel together while their inputs take less than this.
const BATCH_BYTES: usize = 1 << 20;

/// A worker has one batch in hand and finds the next ones ready while the caller makes more.
const BATCHES_PER_WORKER: usize = 3;

/// Inputs and outputs that are held in memory, at most; one call may always go on.
const HELD_BYTES: usize = 64 << 20;

/// The reports of many calls of one task: a [`Stream`] in input order, or [as completed](Self::as_completed).
///
/// Inputs are taken as calls end: at most twice as many calls as can run are submitted, of calls that take microseconds
/// as many as keep the workers busy for some 300 µs, and at most 65,536 ended ones or 64 MiB (of JSON, of texts, of what
/// typed values take themselves) wait for an earlier one. A pool that is closed takes no more inputs: those already taken
/// end as cancelled. Dropping it withdraws all calls that have not ended.
#[must_use = "a stream does nothing until it is polled"]
pub struct Reports<Out, E> {
    source: BoxStream<'static, Prepared>,
    counter: Counter,
    exhausted: bool,
    running: FuturesUnordered<Submission<Out, E>>,
    /// How many calls may be submitted at once, each by itself.
    window: usize,
    /// Calls that travel together, and where they come back to.
    batches: Vec<Arc<Batch>>,
    /// How many of these calls have not come back.
    together: usize,
    inbox: Arc<Inbox>,
    pace: Pace,
    order: Order<Out, E>,
    /// How many inputs have been taken.
    taken: usize,
    held_bytes: usize,
    /// How many calls have ended, and how many of these without an output.
    ended: usize,
    failed: usize,
    weigh: fn(&Out) -> usize,
}

/// An input that was made a call, or does not fit.
pub(super) struct Prepared {
    pub(super) work: Result<Arc<dyn Invocation>, Failure>,
    /// How much memory it takes, in bytes.
    pub(super) weight: usize,
}

/// Inputs at hand that are to travel together.
struct Collected {
    items: Vec<Item>,
    bytes: usize,
    since: Instant,
}

/// A call on its way.
struct Submission<Out, E> {
    handle: CallHandle<Out, E>,
    index: usize,
    weight: usize,
}

/// A call at its end.
struct Ended<Out, E> {
    report: CallReport<Out, E>,
    /// How much memory its input and output hold, as far as it matters.
    weight: usize,
    /// The pool was closed under the stream.
    is_refused: bool,
}

impl<Out: 'static, E: 'static> Future for Submission<Out, E> {
    type Output = Ended<Out, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<Out, E>> {
        let Poll::Ready(reported) = self.handle.poll_report(cx) else { return Poll::Pending };
        let is_refused = reported.is_err();
        let report = reported.unwrap_or_else(|_| CallReport::unqueued(CallId(0), Failure::Cancelled));
        let report = CallReport { index: self.index, ..report };
        Poll::Ready(Ended { report, weight: self.weight, is_refused })
    }
}

enum Order<Out, E> {
    /// Ended calls, beginning with the place of the next one to give out.
    Input { held: VecDeque<Option<Ended<Out, E>>>, next: usize },
    /// Ended calls that were held when the order was changed.
    Completion { held: VecDeque<Ended<Out, E>> },
}

impl<Out: Send + 'static, E: Send + 'static> Reports<Out, E> {
    pub(super) fn new(
        source: BoxStream<'static, Prepared>,
        counter: Counter,
        weigh: fn(&Out) -> usize,
    ) -> Self {
        let window = counter.slots().saturating_mul(2).max(16);
        Reports {
            source,
            counter,
            exhausted: false,
            running: FuturesUnordered::new(),
            window,
            batches: Vec::new(),
            together: 0,
            inbox: Arc::default(),
            pace: Pace::default(),
            order: Order::Input { held: VecDeque::new(), next: 0 },
            taken: 0,
            held_bytes: 0,
            ended: 0,
            failed: 0,
            weigh,
        }
    }

    /// Gives out reports as calls end instead of in input order; [`CallReport::index`] says which is which.
    pub fn as_completed(mut self) -> Self {
        if let Order::Input { held, .. } = &mut self.order {
            // Nothing is lost if the stream has run already: what was held goes out first.
            let held = held.drain(..).flatten().collect();
            self.order = Order::Completion { held };
        }
        self
    }

    /// Returns how many calls have ended, those included whose reports wait for an earlier one.
    pub fn ended(&self) -> usize {
        self.ended
    }

    /// Returns how many of the [`ended`](Self::ended) calls have no output.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Waits for all outputs, in input order or as completed. The first failure ends it and withdraws the rest.
    ///
    /// # Errors
    /// Why the first call that failed has no output.
    pub async fn try_values(mut self) -> Result<Vec<Out>, CallError<E>> {
        // Not sized by the hint: inputs may be said to be endless, and the first failure may come soon.
        let mut values = Vec::new();
        while let Some(report) = self.next().await {
            values.push(report.value()?);
        }
        Ok(values)
    }

    /// Takes inputs as long as there is room for their calls.
    fn submit_more(&mut self, cx: &mut Context<'_>) {
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
        let items = std::mem::replace(&mut collected.items, Vec::with_capacity(together));
        (collected.bytes, collected.since) = (0, Instant::now());
        let calls = items.len();
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
    fn open_letters(&mut self) {
        if !self.inbox.has_news() {
            return;
        }
        let Letters { done, promoted, .. } = self.inbox.take();
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

    /// Returns how many places are taken by ended calls, and by those still running between them.
    fn places_held(&self) -> usize {
        match &self.order {
            Order::Input { held, .. } => held.len(),
            Order::Completion { held } => held.len(),
        }
    }

    /// Holds an ended call until its turn comes, which may be now.
    fn hold(&mut self, mut ended: Ended<Out, E>) {
        self.ended += 1;
        self.failed += usize::from(!ended.report.is_completed());
        // A closed pool takes no more calls; an endless input would be refused for ever.
        self.exhausted |= ended.is_refused;
        if let Outcome::Completed(output) = &ended.report.outcome {
            let output_bytes = (self.weigh)(output);
            self.held_bytes += output_bytes;
            ended.weight += output_bytes;
        }
        match &mut self.order {
            Order::Completion { held } => held.push_back(ended),
            Order::Input { held, next } => {
                let place = ended.report.index - *next;
                if held.len() <= place {
                    held.resize_with(place + 1, || None);
                }
                held[place] = Some(ended);
            }
        }
    }

    /// Takes the next report to give out, if it is there.
    fn take_next(&mut self) -> Option<CallReport<Out, E>> {
        let ended = match &mut self.order {
            Order::Completion { held } => held.pop_front()?,
            Order::Input { held, next } => {
                let ended = held.front_mut()?.take()?;
                held.pop_front();
                *next += 1;
                ended
            }
        };
        self.held_bytes -= ended.weight;
        Some(ended.report)
    }
}

impl<Out, E> Drop for Reports<Out, E> {
    fn drop(&mut self) {
        self.batches.iter().for_each(|batch| batch.withdraw());
        self.inbox.close();
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

// Nothing inside is pinned in place, whatever `Out` and `E` are.
impl<Out, E> Unpin for Reports<Out, E> {}

impl<Out: Send + 'static, E: Send + 'static> Stream for Reports<Out, E> {
    type Item = CallReport<Out, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // Most of the time it is one of many that have come together, and nothing else has happened.
        if this.running.is_empty()
            && !this.inbox.has_news()
            && let Some(report) = this.take_next()
        {
            return Poll::Ready(Some(report));
        }
        this.inbox.listen(cx);
        loop {
            this.open_letters();
            this.submit_more(cx);
            if let Some(report) = this.take_next() {
                return Poll::Ready(Some(report));
            }
            match this.running.poll_next_unpin(cx) {
                Poll::Ready(Some(ended)) => {
                    this.pace.note_calls([ended.report.running]);
                    this.hold(ended);
                }
                Poll::Ready(None) if this.exhausted && this.together == 0 => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending if this.inbox.has_news() => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let held = match &self.order {
            Order::Input { held, .. } => held.iter().flatten().count(),
            Order::Completion { held } => held.len(),
        };
        let begun = self.running.len() + self.together + held;
        if self.exhausted {
            return (begun, Some(begun));
        }
        let (least, most) = self.source.size_hint();
        (least.saturating_add(begun), most.and_then(|most| most.checked_add(begun)))
    }
}
