//! A pool's queue from its embedder's side.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::queues::line::QueueId;
use crate::queues::state::Granted;
use crate::queues::{QueueError, QueueStats, Queues, Waiting};
use crate::sandbox::args::TaskArg;

/// A queue that a pool shares among its sandboxes and its embedder; see [`Pool::queue`](crate::Pool::queue). Cheap to
/// clone, and a parameter of tasks: it travels as its name.
///
/// Bounded, first in, first out, with any number of producers and consumers on both sides. Items are JSON. One that a
/// task has taken is lent to its attempt: it is done when that asks for the next one of the queue, or ends well. If the
/// attempt fails or is lost before that, the item comes back to the front of the queue; after three deliveries it is set
/// aside ([`take_rejected`](Self::take_rejected), [`Event::ItemRejected`](crate::Event::ItemRejected)). One that the
/// embedder has taken is his for good.
pub struct Queue<T> {
    queues: Arc<Queues>,
    id: QueueId,
    name: Arc<str>,
    /// Counted: while there are handles, the queue is not taken to be forgotten.
    handle: Arc<()>,
    _item: PhantomData<fn(T) -> T>,
}

impl<T> Queue<T> {
    pub(crate) fn declare(queues: Arc<Queues>, name: &str, capacity: usize) -> Self {
        let (id, handle) = queues.declare(name, capacity);
        Queue { queues, id, name: name.into(), handle, _item: PhantomData }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the queue: it takes no more items. Who waits for one beyond the last gets `None`, but not before nobody has
    /// an item that may come back.
    pub fn close(&self) {
        self.queues.close(self.id);
    }

    /// Closes the queue as soon as it is empty and no task has an item of it: for tasks that put items for each other,
    /// when nothing more comes from outside.
    pub fn close_when_done(&self) {
        self.queues.finish(self.id);
    }

    /// Returns what the queue is doing, in numbers.
    pub fn stats(&self) -> QueueStats {
        self.queues.stats(self.id)
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Waits for the next item; `None` when the queue is closed and nothing is left or may come back.
    ///
    /// # Errors
    /// [`QueueError::WrongType`], with the item, which is gone then.
    ///
    /// # Cancel safety
    /// Dropped before it is done, it has taken nothing.
    pub async fn get(&self) -> Result<Option<T>, QueueError> {
        read(self.queues.get(self.id, None, true).await)
    }

    /// Takes the next item if there is one; `None` when the queue is closed and nothing is left or may come back.
    ///
    /// # Errors
    /// [`QueueError::Empty`], or as [`get`](Self::get).
    pub fn try_get(&self) -> Result<Option<T>, QueueError> {
        self.queues.get(self.id, None, false).now().map_or(Err(QueueError::Empty), read)
    }

    /// Takes the items that were set aside after three deliveries: the latest, as many as the queue holds.
    ///
    /// # Errors
    /// [`QueueError::WrongType`], with the item; all are gone then.
    pub fn take_rejected(&self) -> Result<Vec<T>, QueueError> {
        self.queues.take_rejected(self.id).iter().map(|text| parse(text)).collect()
    }
}

impl<T> Queue<T> {
    /// Waits for room and puts an item that is JSON already; whether it is a `T`, whoever takes it will see.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    /// As [`put`](Self::put).
    pub async fn put_json(&self, item: &str) -> Result<(), QueueError> {
        serde_json::from_str::<IgnoredAny>(item)
            .map_err(|error| QueueError::WrongType(format!("the item is not JSON: {error}")))?;
        accepted(self.queues.put(self.id, item.trim().into(), None, true)?.await)
    }
}

impl<T: Serialize> Queue<T> {
    /// Waits for room and puts an item.
    ///
    /// # Errors
    /// [`QueueError::Closed`], [`QueueError::TooLarge`] or [`QueueError::WrongType`]; [`QueueError::Full`] if as many bytes
    /// wait for room as the queue may hold.
    ///
    /// # Cancel safety
    /// Dropped while it waits for room, it has put nothing; dropped in the moment in which there is room, it may have.
    pub async fn put(&self, item: &T) -> Result<(), QueueError> {
        accepted(self.begin_put(item, true)?.await)
    }

    /// Puts an item if there is room.
    ///
    /// # Errors
    /// [`QueueError::Full`], or as [`put`](Self::put).
    pub fn try_put(&self, item: &T) -> Result<(), QueueError> {
        self.begin_put(item, false)?.now().map_or(Err(QueueError::Full), accepted)
    }

    fn begin_put(&self, item: &T, is_endless: bool) -> Result<Waiting, QueueError> {
        let text = serde_json::to_string(item)
            .map_err(|error| QueueError::WrongType(format!("the item cannot be written as JSON: {error}")))?;
        self.queues.put(self.id, text.into(), None, is_endless)
    }
}

fn read<T: DeserializeOwned>(granted: Granted) -> Result<Option<T>, QueueError> {
    match granted {
        Granted::Item(item) => parse(&item.text).map(Some),
        Granted::End => Ok(None),
        Granted::Put | Granted::Refused => unreachable!("who asks for an item is granted one, or the end"),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, QueueError> {
    serde_json::from_str(text).map_err(|error| QueueError::WrongType(format!("the item is {text}: {error}")))
}

fn accepted(granted: Granted) -> Result<(), QueueError> {
    match granted {
        Granted::Put => Ok(()),
        _ => Err(QueueError::Closed),
    }
}

impl<T: 'static> TaskArg for Queue<T> {
    type Wire = String;

    fn wire(self) -> String {
        self.name.to_string()
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        let Queue { queues, id, name, handle, _item } = self;
        Queue {
            queues: queues.clone(),
            id: *id,
            name: name.clone(),
            handle: handle.clone(),
            _item: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.name).finish()
    }
}
