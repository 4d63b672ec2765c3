//! A submitted call from its caller's side.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use tokio::sync::oneshot;

use crate::call::CallId;
use crate::error::{CallError, PoolError};
use crate::failure::Failure;
use crate::outcome::{CallReport, Outcome, Parcel};
use crate::pool::Pool;
use crate::scheduler::calls::Call;
use crate::scheduler::progress::{SettledEnd, Settlement};

/// A call that is already queued. A future of its result; [`report`](Self::report) tells more.
///
/// Dropping it withdraws the call: an attempt that is queued never starts, and the answer of one that runs
/// goes nowhere.
#[must_use = "dropping the handle withdraws the call"]
pub struct CallHandle<Out, E> {
    state: State,
    _types: PhantomData<fn() -> (Out, E)>,
}

enum State {
    /// Accepted. The pool is kept alive for it.
    Accepted {
        call: Arc<Call>,
        settlement: oneshot::Receiver<Settlement>,
        _pool: Pool,
    },
    /// Ended before it was queued.
    Ended {
        id: CallId,
        failure: Failure,
    },
    Refused(PoolError),
    /// The result has been given out.
    Done,
}

impl<Out: 'static, E: 'static> CallHandle<Out, E> {
    pub(crate) fn accepted(pool: Pool, call: Arc<Call>, settlement: oneshot::Receiver<Settlement>) -> Self {
        CallHandle { state: State::Accepted { call, settlement, _pool: pool }, _types: PhantomData }
    }

    pub(crate) fn ended(id: CallId, failure: Failure) -> Self {
        CallHandle { state: State::Ended { id, failure }, _types: PhantomData }
    }

    pub(crate) fn refused(error: PoolError) -> Self {
        CallHandle { state: State::Refused(error), _types: PhantomData }
    }

    /// Returns the call's id; `None` if the pool did not accept it, or after its result has been taken.
    pub fn id(&self) -> Option<CallId> {
        match &self.state {
            State::Accepted { call, .. } => Some(call.id),
            State::Ended { id, .. } => Some(*id),
            State::Refused(_) | State::Done => None,
        }
    }

    /// Ends the call as cancelled, at once. Guest code that is running is left to itself and its answer dropped.
    pub fn cancel(&self) {
        if let State::Accepted { call, .. } = &self.state {
            call.withdraw();
        }
    }

    /// Returns true once the result is known.
    pub fn is_finished(&self) -> bool {
        match &self.state {
            State::Accepted { call, .. } => call.is_settled(),
            State::Ended { .. } | State::Refused(_) | State::Done => true,
        }
    }

    /// Returns the call's future with a value that comes back beside its result: who awaits many calls at once knows
    /// then which one has ended.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(flaky: wasmpool::Task<(u32,), u32>) -> Result<(), wasmpool::CallError> {
    /// use futures::{StreamExt, stream::FuturesUnordered};
    /// use wasmpool::CallError;
    ///
    /// let mut running: FuturesUnordered<_> = (0..7).map(|i| flaky.submit((i,)).with(i)).collect();
    /// while let Some((i, ended)) = running.next().await {
    ///     match ended {
    ///         Ok(value) => println!("{i}: {value}"),
    ///         Err(CallError::Returned(_)) => running.push(flaky.submit((i + 100,)).with(i + 100)),
    ///         Err(other) => return Err(other),
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn with<V>(self, value: V) -> WithValue<Out, E, V> {
        WithValue { handle: self, value: Some(value) }
    }

    /// Waits for the result with everything else that is known of the call.
    ///
    /// # Errors
    /// [`PoolError::Closed`] if the pool did not accept the call.
    pub async fn report(mut self) -> Result<CallReport<Out, E>, PoolError> {
        std::future::poll_fn(|cx| self.poll_report(cx)).await
    }

    pub(crate) fn poll_report(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<CallReport<Out, E>, PoolError>> {
        let report = match &mut self.state {
            State::Accepted { call, settlement, .. } => match settlement.poll_unpin(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(settled) => {
                    Ok(unwrap(call.id, settled.expect("a call is settled before it is dropped")))
                }
            },
            State::Ended { id, failure } => Ok(CallReport::unqueued(*id, failure.clone())),
            State::Refused(error) => Err(error.clone()),
            State::Done => panic!("a call's result was asked for again after it had been given out"),
        };
        self.state = State::Done;
        Poll::Ready(report)
    }
}

/// The future of a call's result, with a value that its caller wants back with it. See [`CallHandle::with`].
#[must_use = "dropping the handle withdraws the call"]
pub struct WithValue<Out, E, V> {
    handle: CallHandle<Out, E>,
    value: Option<V>,
}

impl<Out, E, V> WithValue<Out, E, V> {
    /// Returns the call's handle.
    pub fn handle(&self) -> &CallHandle<Out, E> {
        &self.handle
    }
}

// The value is never pinned.
impl<Out, E, V> Unpin for WithValue<Out, E, V> {}

impl<Out: 'static, E: 'static, V> Future for WithValue<Out, E, V> {
    type Output = (V, Result<Out, CallError<E>>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(result) = self.handle.poll_unpin(cx) else { return Poll::Pending };
        let value = self.value.take().expect("a call that had ended was polled again");
        Poll::Ready((value, result))
    }
}

/// Takes the output out of its wrapping.
fn unwrap<Out: 'static, E: 'static>(id: CallId, settlement: Settlement) -> CallReport<Out, E> {
    CallReport {
        id,
        index: 0,
        outcome: unwrap_end(settlement.end),
        attempts: settlement.attempts,
        interruptions: settlement.interruptions,
        waiting: settlement.waiting,
        running: settlement.running,
        history: settlement.history,
    }
}

/// Takes an end out of its wrapping.
fn unwrap_end<Out: 'static, E: 'static>(end: SettledEnd) -> Outcome<Out, E> {
    match end {
        SettledEnd::Completed(parcel) => Outcome::Completed(unpack(parcel)),
        SettledEnd::Returned(parcel) => Outcome::Returned(unpack(parcel)),
        SettledEnd::Failed(failure) => Outcome::Failed(failure),
    }
}

fn unpack<T: 'static>(parcel: Parcel) -> T {
    let parcel: Box<dyn Any> = parcel;
    *parcel.downcast().expect("a task handle packs what its own call handles unpack")
}

impl<Out, E> Drop for CallHandle<Out, E> {
    fn drop(&mut self) {
        if let State::Accepted { call, .. } = &self.state {
            call.withdraw();
        }
    }
}

impl<Out: 'static, E: 'static> Future for CallHandle<Out, E> {
    type Output = Result<Out, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_report(cx).map(|report| report.map_err(CallError::Pool)?.value())
    }
}
