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

/// Takes the output out of its wrapping.
fn unwrap<Out: 'static, E: 'static>(id: CallId, settlement: Settlement) -> CallReport<Out, E> {
    let outcome = match settlement.end {
        SettledEnd::Completed(parcel) => Outcome::Completed(unpack(parcel)),
        SettledEnd::Returned(parcel) => Outcome::Returned(unpack(parcel)),
        SettledEnd::Failed(failure) => Outcome::Failed(failure),
    };
    CallReport {
        id,
        index: 0,
        outcome,
        attempts: settlement.attempts,
        interruptions: settlement.interruptions,
        waiting: settlement.waiting,
        running: settlement.running,
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
