//! The queues that a pool shares among its sandboxes and its embedder: bounded, of JSON texts, each with any number of
//! producers and consumers on both sides.
//!
//! One lock is over all queues of a pool, so an item is always in exactly one place. An attempt's items and waits go with
//! it: whoever ends an attempt first makes it unawaited and then says so here, while whoever takes an item looks under
//! the lock whether it is still awaited. So none is ever lent to an attempt that has ended.

pub(crate) mod line;
mod dealings;
pub(crate) mod state;
#[cfg(test)]
mod properties;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::call::AttemptId;
use crate::event::{Event, Teller};
use crate::queues::line::{Queue, QueueId, WaitId};
use crate::queues::state::{Granted, Owner, State};

/// All queues of a pool.
pub(crate) struct Queues {
    state: Mutex<State>,
    /// Most pools have none, and need not look.
    has_any: AtomicBool,
    most_bytes: usize,
    teller: Teller,
}

/// Why a queue did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue takes no more items.
    #[error("the queue is closed")]
    Closed,
    /// It has no room at the moment.
    #[error("the queue is full")]
    Full,
    /// It has no item at the moment.
    #[error("the queue is empty")]
    Empty,
    /// The item is larger than a queue may hold.
    #[error(
        "the item has {bytes} bytes, and a queue may hold {most}; raise Limits::queue_bytes (--max-queue)"
    )]
    TooLarge {
        /// Its size as JSON.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The item cannot be written as JSON, or what was taken is not of the queue's type.
    #[error("{0}")]
    WrongType(String),
}

/// What a queue is doing, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// Items in it.
    pub items: usize,
    /// Items that attempts have taken and are not done with.
    pub taken: usize,
    /// Guests and embedders who wait for an item.
    pub getters: usize,
    /// Guests and embedders who wait for room.
    pub putters: usize,
    /// Items that were set aside, as nobody who took them got to the end of it.
    pub rejected: usize,
    /// Whether it takes no more items.
    pub is_closed: bool,
}

impl Queues {
    /// Makes a place for queues, each of which may hold so many bytes.
    pub(crate) fn with_most_bytes(most_bytes: usize, teller: Teller) -> Self {
        Queues { state: Mutex::default(), has_any: AtomicBool::new(false), most_bytes, teller }
    }

    /// Returns the queue of a name, which is declared if there is none, and what counts handles of it.
    pub(crate) fn declare(&self, name: &str, capacity: usize) -> (QueueId, Arc<()>) {
        let mut state = self.lock();
        self.has_any.store(true, Ordering::Release);
        let id = state.find(name).unwrap_or_else(|| {
            let mut queue = Queue::new(name, capacity, self.most_bytes);
            if state.is_over {
                queue.close();
            }
            state.queues.push(queue);
            state.queues.len() - 1
        });
        (id, state.queues[id].handles.clone())
    }

    /// Finds a declared queue.
    pub(crate) fn find(&self, name: &str) -> Option<QueueId> {
        self.lock().find(name)
    }

    pub(crate) fn stats(&self, id: QueueId) -> QueueStats {
        let state = self.lock();
        let queue = &state.queues[id];
        let (getters, putters) = queue.waiting();
        let (items, taken, is_closed) = (queue.len(), queue.lent, queue.is_closed());
        QueueStats { items, taken, getters, putters, rejected: queue.rejected.len(), is_closed }
    }

    /// Takes the next item, for an attempt or for good; resolves to `None` at the queue's end. `is_endless` says that
    /// nothing but the queue ends the wait.
    pub(crate) fn get(self: &Arc<Self>, id: QueueId, owner: Option<Owner>, is_endless: bool) -> Waiting {
        let wait = self.change(|state| state.begin_get(id, owner, is_endless));
        Waiting { queues: self.clone(), wait: Some(wait) }
    }

    /// Puts an item when there is room.
    ///
    /// # Errors
    /// [`QueueError::TooLarge`], or [`QueueError::Full`] if too much waits for room already.
    pub(crate) fn put(
        self: &Arc<Self>,
        id: QueueId,
        text: Arc<str>,
        owner: Option<Owner>,
        is_endless: bool,
    ) -> Result<Waiting, QueueError> {
        if text.len() > self.most_bytes {
            return Err(QueueError::TooLarge { bytes: text.len(), most: self.most_bytes });
        }
        let wait = self.change(|state| state.begin_put(id, text, owner, is_endless));
        let wait = wait.ok_or(QueueError::Full)?;
        Ok(Waiting { queues: self.clone(), wait: Some(wait) })
    }

    /// Takes no more items.
    pub(crate) fn close(&self, id: QueueId) {
        self.change(|state| state.queues[id].close());
    }

    /// Closes a queue as soon as it is empty and nobody has an item of it.
    pub(crate) fn finish(&self, id: QueueId) {
        self.change(|state| state.queues[id].finish());
    }

    /// Closes all queues, those too that will be declared.
    pub(crate) fn close_all(&self) {
        self.change(|state| {
            state.is_over = true;
            state.queues.iter_mut().for_each(Queue::close);
        });
    }

    /// Takes the items that were set aside.
    pub(crate) fn take_rejected(&self, id: QueueId) -> Vec<Arc<str>> {
        self.lock().queues[id].take_rejected()
    }

    /// Hears that an attempt is over, which nobody awaits any more: what it took is done if it went well, else it comes
    /// back.
    pub(crate) fn attempt_ended(&self, attempt: AttemptId, went_well: bool) {
        if !self.has_any.load(Ordering::Acquire) {
            return;
        }
        for (queue, item) in self.change(|state| state.attempt_ended(attempt, went_well)) {
            self.teller.tell(|| Event::ItemRejected { queue, item });
        }
    }

    /// Returns how many attempts wait for queues.
    pub(crate) fn attempts_waiting(&self) -> usize {
        match self.has_any.load(Ordering::Acquire) {
            true => self.lock().attempts_waiting(),
            false => 0,
        }
    }

    /// Returns how long an attempt has waited for queues in all, which nobody holds against it.
    pub(crate) fn waited_by(&self, attempt: AttemptId) -> Duration {
        match self.has_any.load(Ordering::Acquire) {
            true => self.lock().waited_by(attempt),
            false => Duration::ZERO,
        }
    }

    /// Returns the attempts that have waited for so long, with nobody outside who could end it, and for which queue.
    pub(crate) fn stuck(&self, for_long: Duration) -> Vec<(Owner, Arc<str>)> {
        match self.has_any.load(Ordering::Acquire) {
            true => self.lock().stuck(for_long),
            false => Vec::new(),
        }
    }

    /// Changes something, then grants all that can be granted now.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        let wakers = state.grant_all();
        // Outside the lock: a waker is somebody else's code.
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// Waits for an item or for room. Dropped before it is done, it has taken and put nothing. One whose attempt is over
/// never ends.
pub(crate) struct Waiting {
    queues: Arc<Queues>,
    /// `None` once it is over.
    wait: Option<WaitId>,
}

impl Waiting {
    /// Returns what was granted at once, else `None`, and waits no longer.
    pub(crate) fn now(mut self) -> Option<Granted> {
        self.collect(Waker::noop())
    }

    fn collect(&mut self, waker: &Waker) -> Option<Granted> {
        let granted = self.queues.lock().collect(self.wait?, waker)?;
        self.wait = None;
        Some(granted)
    }
}

impl Future for Waiting {
    type Output = Granted;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Granted> {
        match self.collect(cx.waker()) {
            Some(granted) => Poll::Ready(granted),
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(wait) = self.wait {
            self.queues.change(|state| state.abandon(wait));
        }
    }
}
