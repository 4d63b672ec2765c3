//! What happens in a pool, told while it happens. Events inform people, bars and logs; they are dropped
//! rather than waited for, so nothing that must be exact hangs on them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::call::{AttemptId, CallId, WorkerId};

/// Something that happened in a pool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A worker began to run an attempt.
    AttemptStarted {
        /// Which one.
        attempt: AttemptId,
        /// The task's name.
        task: Arc<str>,
        /// Who runs it.
        worker: WorkerId,
    },
    /// An attempt ended; `failure` is its kind (`task-error`, `trapped`, …), `None` when it went well.
    AttemptEnded {
        /// Which one.
        attempt: AttemptId,
        /// How it failed.
        failure: Option<&'static str>,
        /// How long it ran.
        running: Duration,
    },
    /// A call will be run again, in a sandbox of its own if `alone`.
    RunAgain {
        /// Which call.
        call: CallId,
        /// Why the last attempt does not count.
        reason: String,
        /// In a sandbox of its own.
        alone: bool,
    },
    /// A call ended, and its caller is about to have the report.
    CallEnded {
        /// Which call.
        call: CallId,
        /// The task's name.
        task: Arc<str>,
        /// How it failed, if it did.
        failure: Option<&'static str>,
        /// How many attempts began and ended; those lost to others are not counted.
        attempts: u32,
        /// How long the call was not running.
        waiting: Duration,
        /// How long the call was running.
        running: Duration,
    },
    /// A module cannot be snapshotted; its snapshot function will run in each sandbox instead.
    SnapshotRefused {
        /// The module's name in the pool.
        module: Arc<str>,
        /// Why.
        reason: String,
    },
    /// A sandbox is ready for calls.
    SandboxOpened {
        /// The module's name in the pool.
        module: Arc<str>,
        /// In which worker.
        worker: WorkerId,
        /// How long opening took, its initializer included.
        took: Duration,
    },
    /// A sandbox did not open.
    SandboxNotOpened {
        /// The module's name in the pool.
        module: Arc<str>,
        /// In which worker.
        worker: WorkerId,
        /// Why.
        reason: String,
    },
    /// A sandbox is gone.
    SandboxRetired {
        /// The module's name in the pool.
        module: Arc<str>,
        /// In which worker.
        worker: WorkerId,
        /// Why.
        reason: &'static str,
        /// How many calls began in it.
        served: u64,
    },
    /// A guest wrote a line.
    GuestLine {
        /// For whom; `None` when it belongs to no call (an initializer, work left over from an answered call).
        attempt: Option<AttemptId>,
        /// Where to.
        stream: GuestStream,
        /// The line without its end; bytes that are not UTF-8 are replaced.
        text: String,
    },
    /// A worker's thread died of a panic in the host and was replaced.
    WorkerLost {
        /// Which one.
        worker: WorkerId,
        /// The panic's message.
        message: String,
    },
    /// The pool has been closed or aborted and its workers have ended; nothing follows.
    PoolClosed,
}

/// Where a guest wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The events of a pool, from the moment it was asked for.
pub struct Events {
    receiver: broadcast::Receiver<Event>,
}

/// This many events were dropped because the listener was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} events were dropped because the listener was too slow")]
pub struct Lagged(pub u64);

impl Events {
    /// Waits for the next event; `None` when the pool is gone.
    ///
    /// # Errors
    /// [`Lagged`] when events were dropped; the next call goes on with the oldest that is left.
    pub async fn next(&mut self) -> Option<Result<Event, Lagged>> {
        match self.receiver.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::RecvError::Lagged(dropped)) => Some(Err(Lagged(dropped))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Waits for the next event on a thread that may block.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Panics
    /// Within an async runtime.
    pub fn blocking_next(&mut self) -> Option<Result<Event, Lagged>> {
        match self.receiver.blocking_recv() {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::RecvError::Lagged(dropped)) => Some(Err(Lagged(dropped))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Where events are told; costs one atomic load while nobody listens.
#[derive(Clone)]
pub(crate) struct Teller {
    sender: broadcast::Sender<Event>,
}

impl Teller {
    /// Keeps up to `capacity` events for a slow listener.
    pub(crate) fn new(capacity: usize) -> Self {
        Teller { sender: broadcast::Sender::new(capacity) }
    }

    /// Tells an event, which is only made when somebody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.sender.receiver_count() > 0 {
            // An error means that the last listener has just left.
            let _ = self.sender.send(event());
        }
    }

    pub(crate) fn listen(&self) -> Events {
        Events { receiver: self.sender.subscribe() }
    }
}
