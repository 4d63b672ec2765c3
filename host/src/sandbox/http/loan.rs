//! A place on the way to an origin, lent to one request from when it leaves until its answer has been read. It is called
//! back when nobody awaits the request's call any more: a guest that holds on to an answer would keep others out.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use wasmtime_wasi_http::{Error, WasiBody};

/// A place that is lent to one request.
pub(crate) struct Loan {
    is_awaited: Box<dyn Fn() -> bool + Send + Sync>,
    state: Mutex<State>,
}

enum State {
    /// It waits for its turn, or for its answer.
    Sending(Option<AbortHandle>),
    /// Its answer is being read.
    Reading { body: WasiBody, _permit: OwnedSemaphorePermit },
    /// It was called back, or the answer has been dropped.
    Over,
}

impl Loan {
    /// Lends to a request for as long as `is_awaited` says so.
    pub(crate) fn new(is_awaited: Box<dyn Fn() -> bool + Send + Sync>) -> Self {
        Loan { is_awaited, state: Mutex::new(State::Sending(None)) }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        (self.is_awaited)()
    }

    /// Notes which task sends the request.
    pub(crate) fn sent_by(&self, task: AbortHandle) {
        if let State::Sending(sender) = &mut *self.state() {
            *sender = Some(task);
        }
    }

    /// Notes that the answer's head has come.
    pub(crate) fn answered(&self, body: WasiBody, permit: OwnedSemaphorePermit) {
        let mut state = self.state();
        if let State::Sending(_) = *state {
            *state = State::Reading { body, _permit: permit };
        }
    }

    /// Calls the place back if nobody awaits the request any more.
    pub(crate) fn call_back_if_unawaited(&self) {
        if !self.is_awaited() {
            self.end();
        }
    }

    fn end(&self) {
        let before = std::mem::replace(&mut *self.state(), State::Over);
        // Outside the lock: what is dropped here wakes others.
        if let State::Sending(Some(task)) = before {
            task.abort();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// The body of an answer, as long as its place is not called back.
pub(crate) struct LentBody(pub(crate) std::sync::Arc<Loan>);

impl Body for LentBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self.0.state() {
            State::Reading { body, .. } => Pin::new(body).poll_frame(cx),
            State::Sending(_) | State::Over => Poll::Ready(Some(Err(Error::ConnectionTerminated))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*self.0.state() {
            State::Reading { body, .. } => body.size_hint(),
            State::Sending(_) | State::Over => SizeHint::default(),
        }
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        self.0.end();
    }
}
