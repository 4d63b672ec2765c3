//! What happens in a pool, told while it happens. Events inform people, bars and logs; they are dropped
//! rather than waited for, so nothing that must be exact hangs on them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::broadcast;

use crate::call::{AttemptId, CallId, WorkerId};
use crate::failure::Denial;
use crate::foreign::wake_for;

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
    /// An attempt is still running after [`Limits::slow_after`](crate::Limits::slow_after), or when four fifths of its
    /// time are over.
    SlowCall {
        /// Which one.
        attempt: AttemptId,
        /// The task's name.
        task: Arc<str>,
        /// How long it has been running.
        running: Duration,
        /// After how long it is stopped, if ever.
        timeout: Option<Duration>,
    },
    /// A guest asked for something that is not granted. Told once for each attempt.
    Denied {
        /// Which one.
        attempt: AttemptId,
        /// What was asked for, and the flag that grants it.
        denial: Denial,
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
    /// An attempt failed, and the call will be tried again.
    RetryIn {
        /// The next attempt.
        attempt: AttemptId,
        /// The task's name.
        task: Arc<str>,
        /// How the last attempt failed.
        failure: &'static str,
        /// How long until the next one waits for a worker.
        delay: Duration,
    },
    /// A task said how far it is.
    Progress {
        /// Which attempt.
        attempt: AttemptId,
        /// How many steps are done.
        done: u64,
        /// Of how many, if that is known.
        total: Option<u64>,
    },
    /// An item of a queue was set aside: nobody who took it got to the end of it.
    ItemRejected {
        /// The queue's name.
        queue: Arc<str>,
        /// The item as JSON.
        item: Arc<str>,
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
    /// A module's initializer will run before every call, because each has a sandbox of its own; a snapshot
    /// would run once.
    InitializedForEachCall {
        /// The module's name in the pool.
        module: Arc<str>,
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
        reason: RetireReason,
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

/// Why a sandbox takes no more calls and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RetireReason {
    /// The pool ended.
    Closed,
    /// A call trapped, or the engine gave up for another reason.
    Trapped,
    /// A call that nobody awaits held up the others.
    Stuck,
    /// It held too many calls that nobody awaits, or one of them computed on.
    Abandoned,
    /// A call in it went on computing when its time was over.
    OutOfTime,
    /// It was made for one call, and that has ended.
    Used,
    /// It has served as many calls as a sandbox may.
    CallLimit,
    /// It was as old as a sandbox may get.
    Age,
    /// Its memory had grown as large as a sandbox's may.
    MemoryLimit,
    /// No call came for too long.
    Idle,
    /// Its module was replaced by another.
    Replaced,
    /// Its worker ended while the pool goes on: the host panicked in it, or fewer workers are needed.
    WorkerEnded,
}

impl fmt::Display for RetireReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RetireReason::Closed => "the pool ended",
            RetireReason::Trapped => "a call trapped",
            RetireReason::Stuck => "a call that nobody awaits held it up",
            RetireReason::Abandoned => "calls that nobody awaits went on in it",
            RetireReason::OutOfTime => "a call in it overran its time",
            RetireReason::Used => "it was made for one call",
            RetireReason::CallLimit => "it has served its number of calls",
            RetireReason::Age => "it has reached its age",
            RetireReason::MemoryLimit => "its memory has grown too large",
            RetireReason::Idle => "it was idle",
            RetireReason::Replaced => "its module was replaced",
            RetireReason::WorkerEnded => "its worker ended",
        })
    }
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
    listeners: Arc<AtomicUsize>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.listeners.fetch_sub(1, Ordering::Relaxed);
    }
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
    /// The channel knows it too, but locks itself to tell.
    listeners: Arc<AtomicUsize>,
}

impl Teller {
    /// Keeps up to `capacity` events for a slow listener.
    pub(crate) fn new(capacity: usize) -> Self {
        Teller { sender: broadcast::Sender::new(capacity), listeners: Arc::default() }
    }

    /// Returns true if somebody listens.
    pub(crate) fn is_heard(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Tells an event, which is only made when somebody listens.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.is_heard() {
            let event = event();
            // An error means that the last listener has just left.
            wake_for("an event", || drop(self.sender.send(event)));
        }
    }

    pub(crate) fn listen(&self) -> Events {
        let receiver = self.sender.subscribe();
        self.listeners.fetch_add(1, Ordering::Relaxed);
        Events { receiver, listeners: self.listeners.clone() }
    }
}
