//! Many calls of one task as a stream of their reports. Short ones travel together: how many is for `pace` to say.

mod intake;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::stream::{BoxStream, FuturesUnordered, Stream, StreamExt};

use crate::call::CallId;
use crate::error::CallError;
use crate::failure::Failure;
use crate::outcome::{CallReport, Outcome};
use crate::pool::counter::Counter;
use crate::pool::handle::CallHandle;
use crate::pool::pace::Pace;
use crate::sandbox::invoke::Invocation;
use crate::scheduler::batch::Batch;
use crate::scheduler::inbox::Inbox;

/// Ended calls that wait for an earlier one, at most, in input order.
const HELD_CALLS: usize = 65_536;

/// Inputs and outputs that are held in memory, at most; one call may always go on.
const HELD_BYTES: usize = 64 << 20;

/// The reports of many calls of one task: a [`Stream`] in input order, or [as completed](Self::as_completed).
///
/// Inputs are taken as calls end: at most twice as many calls as can run are submitted, of calls that take microseconds
/// as many as keep the workers busy for some 300 µs, and at most 65,536 ended ones or 64 MiB (of JSON, of texts, of what
/// typed values take themselves) wait for an earlier one. A pool that is closed takes no more inputs: those already taken
/// end as cancelled. Dropping it withdraws all calls that have not ended.
///
/// Calls that take some 50 µs or less go to a worker many at a time, as many as keep it busy for 100 µs, and their reports
/// come back together. One that waits, computes on for 10 ms or fails goes on by itself from then on, with all that single
/// calls have; those behind it go to whoever is free. That is so unless something asks for each call from its beginning: an affinity, a
/// sandbox for each call, a limit of calls or memory of a sandbox, a queue timeout or a deadline, an attempt timeout or
/// slow notice of less than 100 ms, or `tracing` spans.
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

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<CallReport<Out, E>>> {
        // Most of the time it is one of many that have come together, and nothing else has happened.
        if self.running.is_empty()
            && (self.exhausted || !self.batches.is_empty())
            && !self.inbox.has_news()
            && let Some(report) = self.take_next()
        {
            return Poll::Ready(Some(report));
        }
        self.inbox.listen(cx);
        loop {
            self.open_letters();
            self.submit_more(cx);
            if let Some(report) = self.take_next() {
                return Poll::Ready(Some(report));
            }
            match self.running.poll_next_unpin(cx) {
                Poll::Ready(Some(ended)) => {
                    if ended.report.attempts > 0 {
                        self.pace.note_calls([ended.report.running]);
                    }
                    self.hold(ended);
                }
                Poll::Ready(None) if self.exhausted && self.together == 0 => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending if self.inbox.has_news() => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
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

// Nothing inside is pinned in place, whatever `Out` and `E` are.
impl<Out, E> Unpin for Reports<Out, E> {}

impl<Out: Send + 'static, E: Send + 'static> Stream for Reports<Out, E> {
    type Item = CallReport<Out, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A reader who is never kept waiting lets others on his thread have their turn all the same.
        let coop = ready!(tokio::task::coop::poll_proceed(cx));
        let polled = self.poll_report(cx);
        if polled.is_ready() {
            coop.made_progress();
        }
        polled
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
