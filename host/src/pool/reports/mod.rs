//! Many calls of one task as a stream of their reports. Short ones travel together: how many is for `pace` to say.

pub(super) mod source;
mod held;
mod intake;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures::stream::{FuturesUnordered, Stream, StreamExt};

use crate::call::CallId;
use crate::error::CallError;
use crate::failure::Failure;
use crate::outcome::{CallReport, Outcome};
use crate::pool::counter::Counter;
use crate::pool::handle::CallHandle;
use crate::pool::pace::Pace;
use crate::pool::reports::held::{Ended, Held};
use crate::pool::reports::source::Source;
use crate::scheduler::batch::Batch;
use crate::scheduler::inbox::Inbox;

/// Ended calls that wait for an earlier one, at most, in input order.
const HELD_CALLS: usize = 65_536;

/// Inputs and outputs that are held in memory, at most; one call may always go on.
const HELD_BYTES: usize = 64 << 20;

/// The reports of many calls of one task: a [`Stream`] in input order, or [as completed](Self::as_completed).
///
/// Inputs are taken as calls end: at most twice as many calls as can run are submitted, of calls that take microseconds
/// as many as keep the workers busy for some 600 µs, and at most 65,536 ended ones or 64 MiB (of JSON, of texts, of what
/// typed values take themselves) wait for an earlier one. A pool that is closed takes no more inputs: those already taken
/// end as cancelled. Dropping it withdraws all calls that have not ended.
///
/// Calls that take some 50 µs or less go to a worker many at a time, as many as keep it busy for 200 µs, and their
/// reports come back together; who awaits them is woken for two such lots at once while workers have more to do, and
/// no more often than every 200 µs for calls that go by themselves. A worker wakes him before it sleeps, and when none
/// gets to it the pool's clock does, so that he hears of a call some 20 ms after its end at the latest. A call that
/// waits, computes on for 10 ms, traps or is to be tried again goes on by itself from then on, with all that single
/// calls have, and holds the inputs of those it came with until it ends (1 MiB and the last of them at most, beside the
/// 64 MiB above); those behind it go to whoever is free. That is so unless something asks for each call from its
/// beginning: an affinity, a sandbox for each call, a limit of calls or memory of a sandbox, a queue timeout or a
/// deadline, an attempt timeout or slow notice of less than 100 ms, or `tracing` spans.
#[must_use = "a stream does nothing until it is polled"]
pub struct Reports<Out, E> {
    source: Box<dyn Source>,
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
    /// Wakes who reads, for calls that go by themselves.
    waker: Waker,
    pace: Pace,
    held: Held<Out, E>,
    /// How many inputs have been taken.
    taken: usize,
    /// How much memory the inputs of calls take that have not ended, in bytes.
    input_bytes: usize,
    /// How many calls have ended, and how many of these without an output.
    ended: usize,
    failed: usize,
    weigh: fn(&Out) -> usize,
}

/// A call on its way.
struct Submission<Out, E> {
    handle: CallHandle<Out, E>,
    index: usize,
    weight: usize,
}

impl<Out: 'static, E: 'static> Future for Submission<Out, E> {
    type Output = Settled<Out, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Settled<Out, E>> {
        let Poll::Ready(reported) = self.handle.poll_report(cx) else { return Poll::Pending };
        let is_refused = reported.is_err();
        let report = reported.unwrap_or_else(|_| CallReport::unqueued(CallId(0), Failure::Cancelled));
        let report = CallReport { index: self.index, ..report };
        Poll::Ready(Settled { report, input_bytes: self.weight, is_refused })
    }
}

/// A call that went by itself, at its end.
struct Settled<Out, E> {
    report: CallReport<Out, E>,
    input_bytes: usize,
    /// The pool was closed under the stream.
    is_refused: bool,
}

impl<Out: Send + 'static, E: Send + 'static> Reports<Out, E> {
    pub(super) fn new(source: Box<dyn Source>, counter: Counter, weigh: fn(&Out) -> usize) -> Self {
        let window = counter.slots().saturating_mul(2).max(16);
        let inbox: Arc<Inbox> = Arc::default();
        Reports {
            source,
            counter,
            exhausted: false,
            running: FuturesUnordered::new(),
            window,
            batches: Vec::new(),
            together: 0,
            waker: Waker::from(inbox.clone()),
            inbox,
            pace: Pace::default(),
            held: Held::in_input_order(),
            taken: 0,
            input_bytes: 0,
            ended: 0,
            failed: 0,
            weigh,
        }
    }

    /// Gives out reports as calls end instead of in input order; [`CallReport::index`] says which is which.
    pub fn as_completed(mut self) -> Self {
        self.held.as_completed();
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
            && let Some(report) = self.held.take_next()
        {
            return Poll::Ready(Some(report));
        }
        self.inbox.listen(cx);
        loop {
            self.open_letters();
            self.submit_more(cx);
            if let Some(report) = self.held.take_next() {
                return Poll::Ready(Some(report));
            }
            match self.running.poll_next_unpin(&mut Context::from_waker(&self.waker)) {
                Poll::Ready(Some(settled)) => self.hold(settled),
                Poll::Ready(None) if self.exhausted && self.together == 0 => return Poll::Ready(None),
                Poll::Ready(None) | Poll::Pending if self.inbox.has_news() => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Holds an ended call until its turn comes, which may be now.
    fn hold(&mut self, settled: Settled<Out, E>) {
        let Settled { report, input_bytes, is_refused } = settled;
        if report.attempts > 0 {
            self.pace.note_calls([report.running]);
        }
        self.ended += 1;
        self.failed += usize::from(!report.is_completed());
        // A closed pool takes no more calls; an endless input would be refused for ever.
        self.exhausted |= is_refused;
        self.input_bytes -= input_bytes;
        let output_bytes = match &report.outcome {
            Outcome::Completed(output) => (self.weigh)(output),
            _ => 0,
        };
        self.held.hold(Ended { report, weight: input_bytes + output_bytes });
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
        let (gathered, _) = self.source.gathered();
        let begun = gathered + self.running.len() + self.together + self.held.calls();
        if self.exhausted {
            return (begun, Some(begun));
        }
        let (least, most) = self.source.size_hint();
        (least.saturating_add(begun), most.and_then(|most| most.checked_add(begun)))
    }
}
