//! Many calls of one task as a stream of their reports.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::{BoxStream, FuturesUnordered, Stream, StreamExt};

use crate::call::CallId;
use crate::error::CallError;
use crate::failure::Failure;
use crate::outcome::{CallReport, Outcome};
use crate::pool::handle::CallHandle;

/// Ended calls that wait for an earlier one, at most, in input order.
const HELD_CALLS: usize = 65_536;

/// Inputs and outputs that are held in memory, at most; one call may always go on.
const HELD_BYTES: usize = 64 << 20;

/// The reports of many calls of one task: a [`Stream`] in input order, or [as completed](Self::as_completed).
///
/// Inputs are taken as calls end: at most twice as many calls as can run are submitted, and at most 65,536
/// ended ones or 64 MiB (of JSON, of texts, of what typed values take themselves) wait for an earlier one. A pool that is
/// closed takes no more inputs: those already taken end as cancelled. Dropping it withdraws all calls that have not ended.
#[must_use = "a stream does nothing until it is polled"]
pub struct Reports<Out, E> {
    source: BoxStream<'static, Submission<Out, E>>,
    exhausted: bool,
    running: FuturesUnordered<Submission<Out, E>>,
    /// How many calls may be submitted at once.
    window: usize,
    order: Order<Out, E>,
    /// How many inputs have been taken.
    taken: usize,
    held_bytes: usize,
    /// How many calls have ended, and how many of these without an output.
    ended: usize,
    failed: usize,
    weigh: fn(&Out) -> usize,
}

/// A call on its way.
pub(crate) struct Submission<Out, E> {
    handle: CallHandle<Out, E>,
    index: usize,
    weight: usize,
}

/// A call at its end.
pub(crate) struct Ended<Out, E> {
    report: CallReport<Out, E>,
    /// How much memory its input and output hold, as far as it matters.
    weight: usize,
    /// The pool was closed under the stream.
    is_refused: bool,
}

impl<Out, E> Submission<Out, E> {
    pub(crate) fn new(handle: CallHandle<Out, E>, weight: usize) -> Self {
        Submission { handle, index: 0, weight }
    }
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
    Completion { held: Vec<Ended<Out, E>> },
}

impl<Out: Send + 'static, E: Send + 'static> Reports<Out, E> {
    pub(crate) fn new<In: Send + 'static>(
        inputs: impl Stream<Item = In> + Send + 'static,
        submit: impl FnMut(In) -> Submission<Out, E> + Send + 'static,
        slots: usize,
        weigh: fn(&Out) -> usize,
    ) -> Self {
        Reports {
            source: inputs.map(submit).boxed(),
            exhausted: false,
            running: FuturesUnordered::new(),
            window: slots.saturating_mul(2).max(16),
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
        self.order = match self.order {
            // Nothing is lost if the stream has run already: what was held goes out first.
            Order::Input { held, .. } => Order::Completion { held: held.into_iter().flatten().collect() },
            by_completion => by_completion,
        };
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
        while !self.exhausted && self.has_room() {
            match self.source.poll_next_unpin(cx) {
                Poll::Ready(Some(submission)) => {
                    self.held_bytes += submission.weight;
                    self.running.push(Submission { index: self.taken, ..submission });
                    self.taken += 1;
                }
                Poll::Ready(None) => self.exhausted = true,
                Poll::Pending => return,
            }
        }
    }

    fn has_room(&self) -> bool {
        let held = self.places_held();
        let is_idle = self.running.is_empty() && held == 0;
        is_idle || (self.running.len() < self.window && held < HELD_CALLS && self.held_bytes < HELD_BYTES)
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
            Order::Completion { held } => held.push(ended),
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
            Order::Completion { held } => held.pop()?,
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

// Nothing inside is pinned in place, whatever `Out` and `E` are.
impl<Out, E> Unpin for Reports<Out, E> {}

impl<Out: Send + 'static, E: Send + 'static> Stream for Reports<Out, E> {
    type Item = CallReport<Out, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.submit_more(cx);
            if let Some(report) = this.take_next() {
                return Poll::Ready(Some(report));
            }
            match this.running.poll_next_unpin(cx) {
                Poll::Ready(Some(ended)) => this.hold(ended),
                Poll::Ready(None) if this.exhausted => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let held = match &self.order {
            Order::Input { held, .. } => held.iter().flatten().count(),
            Order::Completion { held } => held.len(),
        };
        let begun = self.running.len() + held;
        if self.exhausted {
            return (begun, Some(begun));
        }
        let (least, most) = self.source.size_hint();
        (least.saturating_add(begun), most.and_then(|most| most.checked_add(begun)))
    }
}
