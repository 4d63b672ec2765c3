//! Many calls of one task as a stream of their reports.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{FuturesUnordered, Stream, StreamExt};
use futures::{FutureExt, future::BoxFuture};

use crate::call::CallId;
use crate::error::CallError;
use crate::outcome::{CallReport, Failure, Outcome};
use crate::pool::handle::CallHandle;

/// Ended calls that wait for an earlier one, at most, in input order.
const HELD_CALLS: usize = 65_536;

/// Inputs and outputs that are held in memory, at most; one call may always go on.
const HELD_BYTES: usize = 64 << 20;

/// The reports of many calls of one task: a [`Stream`] in input order, or [as completed](Self::as_completed).
///
/// Inputs are taken as calls end: at most twice as many calls as can run are submitted, and at most 65,536
/// ended ones or 64 MiB wait for an earlier one. Dropping it withdraws all calls that have not ended.
#[must_use = "a stream does nothing until it is polled"]
pub struct Reports<Out, E> {
    source: Pin<Box<dyn Stream<Item = Submitted<Out, E>> + Send>>,
    exhausted: bool,
    running: FuturesUnordered<BoxFuture<'static, (usize, usize, CallReport<Out, E>)>>,
    /// How many calls may be submitted at once.
    window: usize,
    order: Order<Out, E>,
    /// How many inputs have been taken.
    taken: usize,
    held_bytes: usize,
    weigh: fn(&Out) -> usize,
}

/// A call with the weight of its input.
type Submitted<Out, E> = (CallHandle<Out, E>, usize);

enum Order<Out, E> {
    /// Ended calls with their weight, beginning with the next one to give out.
    Input {
        held: VecDeque<Option<(CallReport<Out, E>, usize)>>,
        next: usize,
    },
    Completion,
}

impl<Out: Send + 'static, E: Send + 'static> Reports<Out, E> {
    pub(crate) fn new<In: Send + 'static>(
        inputs: impl Stream<Item = In> + Send + 'static,
        submit: impl FnMut(In) -> Submitted<Out, E> + Send + 'static,
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
            weigh,
        }
    }

    /// Gives out reports as calls end instead of in input order; [`CallReport::index`] says which is which.
    pub fn as_completed(mut self) -> Self {
        // Nothing is lost if the stream has run already: what was held in order goes out first.
        if let Order::Input { held, .. } = &mut self.order {
            for (report, weight) in held.drain(..).flatten() {
                self.running.push(std::future::ready((report.index, weight, report)).boxed());
            }
        }
        self.order = Order::Completion;
        self
    }

    /// Waits for all outputs, in input order or as completed. The first failure ends it and withdraws the rest.
    ///
    /// # Errors
    /// Why the first call that failed has no output.
    pub async fn try_values(mut self) -> Result<Vec<Out>, CallError<E>> {
        let mut values = Vec::with_capacity(self.size_hint().0);
        while let Some(report) = self.next().await {
            values.push(report.value()?);
        }
        Ok(values)
    }

    /// Takes inputs as long as there is room for their calls.
    fn submit_more(&mut self, cx: &mut Context<'_>) {
        while !self.exhausted && self.has_room() {
            match self.source.poll_next_unpin(cx) {
                Poll::Ready(Some((handle, weight))) => {
                    let index = self.taken;
                    self.taken += 1;
                    self.held_bytes += weight;
                    self.running.push(report_of(handle, index, weight).boxed());
                }
                Poll::Ready(None) => self.exhausted = true,
                Poll::Pending => return,
            }
        }
    }

    fn has_room(&self) -> bool {
        let held = match &self.order {
            Order::Input { held, .. } => held.len(),
            Order::Completion => 0,
        };
        let is_idle = self.running.is_empty() && held == 0;
        is_idle || (self.running.len() < self.window && held < HELD_CALLS && self.held_bytes < HELD_BYTES)
    }

    /// Gives out an ended call, or holds it until its turn comes.
    fn ended(
        &mut self,
        index: usize,
        weight: usize,
        report: CallReport<Out, E>,
    ) -> Option<CallReport<Out, E>> {
        let Order::Input { held, next } = &mut self.order else {
            self.held_bytes -= weight;
            return Some(report);
        };
        let output_bytes = match &report.outcome {
            Outcome::Completed(output) => (self.weigh)(output),
            Outcome::Returned(_) | Outcome::Failed(_) => 0,
        };
        self.held_bytes += output_bytes;
        let place = index - *next;
        if held.len() <= place {
            held.resize_with(place + 1, || None);
        }
        held[place] = Some((report, weight + output_bytes));
        None
    }

    /// Takes the next report in input order, if it is there.
    fn next_in_order(&mut self) -> Option<CallReport<Out, E>> {
        let Order::Input { held, next } = &mut self.order else { return None };
        let (report, weight) = held.front_mut()?.take()?;
        held.pop_front();
        *next += 1;
        self.held_bytes -= weight;
        Some(report)
    }
}

async fn report_of<Out: 'static, E: 'static>(
    handle: CallHandle<Out, E>,
    index: usize,
    weight: usize,
) -> (usize, usize, CallReport<Out, E>) {
    let id = handle.id();
    let report = match handle.report().await {
        Ok(report) => CallReport { index, ..report },
        // The pool was closed under the stream.
        Err(_) => CallReport {
            id: id.unwrap_or(CallId(0)),
            index,
            outcome: Outcome::Failed(Failure::Cancelled),
            attempts: 0,
            interruptions: 0,
            waiting: Duration::ZERO,
            running: Duration::ZERO,
        },
    };
    (index, weight, report)
}

// Nothing inside is pinned in place, whatever `Out` and `E` are.
impl<Out, E> Unpin for Reports<Out, E> {}

impl<Out: Send + 'static, E: Send + 'static> Stream for Reports<Out, E> {
    type Item = CallReport<Out, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            this.submit_more(cx);
            if let Some(report) = this.next_in_order() {
                return Poll::Ready(Some(report));
            }
            match this.running.poll_next_unpin(cx) {
                Poll::Ready(Some((index, weight, report))) => {
                    if let Some(report) = this.ended(index, weight, report) {
                        return Poll::Ready(Some(report));
                    }
                }
                Poll::Ready(None) if this.exhausted => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let held = match &self.order {
            Order::Input { held, .. } => held.iter().flatten().count(),
            Order::Completion => 0,
        };
        let begun = self.running.len() + held;
        if self.exhausted {
            return (begun, Some(begun));
        }
        let (least, most) = self.source.size_hint();
        (least.saturating_add(begun), most.and_then(|most| most.checked_add(begun)))
    }
}
