//! Where calls that travel in batches come back to whoever asked for them, many at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Context;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::call::CallId;
use crate::scheduler::calls::Call;
use crate::scheduler::progress::{SettledEnd, Settlement};

/// Where calls of batches come back to.
#[derive(Default)]
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    has_news: AtomicBool,
    waker: AtomicWaker,
}

/// What has come back.
#[derive(Default)]
pub(crate) struct Letters {
    pub(crate) done: Vec<Done>,
    pub(crate) promoted: Vec<Promoted>,
    /// How many batches did not end as such, because their calls took their time.
    pub(crate) dissolved: u32,
    /// Nobody reads any more.
    is_closed: bool,
}

/// A call of a batch that ended within it.
pub(crate) struct Done {
    pub(crate) id: CallId,
    /// The place of its input.
    pub(crate) index: usize,
    /// How much memory its input takes, in bytes.
    pub(crate) weight: usize,
    pub(crate) end: SettledEnd,
    pub(crate) waiting: Duration,
    pub(crate) running: Duration,
}

/// A call of a batch that has become a call of its own; withdrawn if nobody takes it over.
pub(crate) struct Promoted {
    pub(crate) index: usize,
    pub(crate) weight: usize,
    call: Arc<Call>,
    settlement: Option<oneshot::Receiver<Settlement>>,
}

impl Done {
    /// Returns the kind of its failure.
    pub(super) fn failure(&self) -> Option<&'static str> {
        self.end.failure()
    }
}

impl Promoted {
    pub(super) fn new(
        index: usize,
        weight: usize,
        call: Arc<Call>,
        settlement: oneshot::Receiver<Settlement>,
    ) -> Self {
        Promoted { index, weight, call, settlement: Some(settlement) }
    }

    pub(super) fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Takes it over.
    pub(crate) fn take(mut self) -> (Arc<Call>, oneshot::Receiver<Settlement>) {
        (self.call.clone(), self.settlement.take().expect("it is taken over once"))
    }
}

impl Drop for Promoted {
    fn drop(&mut self) {
        if self.settlement.is_some() {
            self.call.withdraw();
        }
    }
}

impl Inbox {
    /// Puts in what has come back, and wakes whoever waits for it.
    pub(super) fn deliver(&self, mut done: Vec<Done>, mut promoted: Vec<Promoted>, is_dissolved: bool) {
        let mut letters = self.letters();
        if letters.is_closed {
            // Outside the lock: those are withdrawn, and what they hold is somebody's own.
            drop(letters);
            return;
        }
        match letters.done.is_empty() {
            true => letters.done = done,
            false => letters.done.append(&mut done),
        }
        letters.promoted.append(&mut promoted);
        letters.dissolved += u32::from(is_dissolved);
        self.has_news.store(true, Ordering::Release);
        drop(letters);
        self.waker.wake();
    }

    /// Has the reader woken when something comes.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    pub(crate) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// Takes what has come since the last time.
    pub(crate) fn take(&self) -> Letters {
        let mut letters = self.letters();
        self.has_news.store(false, Ordering::Release);
        std::mem::take(&mut *letters)
    }

    /// Takes nothing in any more.
    pub(crate) fn close(&self) {
        let closed = Letters { is_closed: true, ..Letters::default() };
        let left = std::mem::replace(&mut *self.letters(), closed);
        drop(left);
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().expect("no holder of this lock panics")
    }
}
