//! Queues that the pool shares among all its sandboxes, whoever runs in them, and with its embedder. The host declares
//! them by name; here they are found, taken from and put into. Items travel as JSON.
//!
//! A module that uses queues imports `wasmpool:host/queue`; one that does not runs on any component host.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
use crate::contract::wasmpool::host::queue as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::queue::stand_in as host;

/// A queue of the pool. As a parameter of a task it travels as its name.
///
/// An item that was taken belongs to this call until it asks for the next one, or ends well. If it panics, returns its
/// error, or is stopped before that, the item comes back for others to take; after three times it is set aside and
/// the pool tells so.
/// So one loop over a queue belongs in one call: asking for the next item in a second loop of the same call would also
/// let go of the item that the first one is working on.
///
/// ```
/// use std::time::Duration;
/// use wasmpool_guest::{queue::Queue, tasks, testing, time};
///
/// #[tasks]
/// mod jobs {
///     use super::*;
///
///     /// Takes numbers until the queue ends.
///     pub async fn worker(name: String, numbers: Queue<i64>) -> u32 {
///         let mut seen = 0;
///         while let Some(value) = numbers.get().await {
///             println!("{name} processes {value}");
///             time::sleep(Duration::from_millis(1)).await;
///             seen += 1;
///         }
///         seen
///     }
/// }
///
/// # fn main() {
/// let numbers = testing::declare_queue("numbers", 16);
/// testing::block_on(async {
///     numbers.put(&1).await.unwrap();
///     numbers.put(&2).await.unwrap();
///     numbers.close();
///     assert_eq!(jobs::worker("worker-0".to_owned(), numbers).await, 2);
/// });
/// # }
/// ```
pub struct Queue<T> {
    name: String,
    _item: PhantomData<fn(T) -> T>,
}

/// Why a queue did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// The host has declared no queue of that name.
    Undeclared(String),
    /// The queue takes no more items.
    Closed,
    /// It has no room at the moment.
    Full,
    /// It has no item at the moment.
    Empty,
    /// It stayed full, or empty, for as long as one would wait.
    TimedOut,
    /// The item is larger than a queue may hold.
    TooLarge,
    /// The item cannot be written as JSON, or what was taken is not of the queue's type.
    WrongType(String),
}

/// Finds a queue that the host has declared.
///
/// # Errors
///
/// [`QueueError::Undeclared`].
pub fn open<T>(name: &str) -> Result<Queue<T>, QueueError> {
    match host::find(name) {
        Ok(()) => Ok(Queue { name: name.to_owned(), _item: PhantomData }),
        Err(error) => Err(QueueError::of(error, name)),
    }
}

impl<T> Queue<T> {
    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ends the queue: it takes no more items, and who waits for one beyond the last gets `None`.
    pub fn close(&self) {
        // It was declared when it was opened, and to close it twice is no error.
        let _ = host::close(&self.name);
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Waits for the next item; `None` when the queue is closed and nothing is left or may come back.
    ///
    /// # Panics
    ///
    /// If the item is not a `T`: the item goes back then, and is set aside when that has happened three times.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has taken nothing.
    pub async fn get(&self) -> Option<T> {
        match self.take(None).await {
            Ok(item) => item,
            Err(error) => panic!("queue `{}`: {error}", self.name),
        }
    }

    /// As [`get`](Self::get), but waits no longer than `time`.
    ///
    /// # Errors
    ///
    /// [`QueueError::TimedOut`], or [`QueueError::WrongType`].
    pub async fn get_within(&self, time: Duration) -> Result<Option<T>, QueueError> {
        self.take(Some(milliseconds(time))).await
    }

    /// Takes the next item if there is one; `None` when the queue is closed and nothing is left or may come back.
    ///
    /// # Errors
    ///
    /// [`QueueError::Empty`], or [`QueueError::WrongType`].
    pub fn try_get(&self) -> Result<Option<T>, QueueError> {
        self.read(host::try_get(&self.name))
    }

    async fn take(&self, timeout_ms: Option<u64>) -> Result<Option<T>, QueueError> {
        self.read(host::get(self.name.clone(), timeout_ms).await)
    }

    fn read(&self, taken: Result<Option<String>, host::Error>) -> Result<Option<T>, QueueError> {
        match taken {
            Ok(None) => Ok(None),
            Ok(Some(text)) => {
                let item = serde_json::from_str(&text);
                item.map(Some).map_err(|error| QueueError::WrongType(format!("the item is {text}: {error}")))
            }
            Err(error) => Err(QueueError::of(error, &self.name)),
        }
    }
}

impl<T: Serialize> Queue<T> {
    /// Waits for room and puts an item.
    ///
    /// # Errors
    ///
    /// [`QueueError::Closed`], [`QueueError::TooLarge`] or [`QueueError::WrongType`].
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is done, it has put nothing.
    pub async fn put(&self, item: &T) -> Result<(), QueueError> {
        self.give(item, None).await
    }

    /// As [`put`](Self::put), but waits no longer than `time`.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and [`QueueError::TimedOut`].
    pub async fn put_within(&self, item: &T, time: Duration) -> Result<(), QueueError> {
        self.give(item, Some(milliseconds(time))).await
    }

    /// Puts an item if there is room.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put), and [`QueueError::Full`].
    pub fn try_put(&self, item: &T) -> Result<(), QueueError> {
        let put = host::try_put(&self.name, &written(item)?);
        put.map_err(|error| QueueError::of(error, &self.name))
    }

    async fn give(&self, item: &T, timeout_ms: Option<u64>) -> Result<(), QueueError> {
        let put = host::put(self.name.clone(), written(item)?, timeout_ms).await;
        put.map_err(|error| QueueError::of(error, &self.name))
    }
}

fn written(item: &impl Serialize) -> Result<String, QueueError> {
    serde_json::to_string(item).map_err(|error| QueueError::WrongType(error.to_string()))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl QueueError {
    fn of(error: host::Error, queue: &str) -> Self {
        match error {
            host::Error::Undeclared => QueueError::Undeclared(queue.to_owned()),
            host::Error::Closed => QueueError::Closed,
            host::Error::Full => QueueError::Full,
            host::Error::Empty => QueueError::Empty,
            host::Error::TimedOut => QueueError::TimedOut,
            host::Error::TooLarge => QueueError::TooLarge,
            host::Error::NotJson => QueueError::WrongType("it is not JSON".to_owned()),
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue { name: self.name.clone(), _item: PhantomData }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.name).finish()
    }
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueError::Undeclared(name) => {
                write!(f, "no queue `{name}` is declared; declare it with Pool::queue (--queue {name}=FILE)")
            }
            QueueError::Closed => f.write_str("the queue takes no more items"),
            QueueError::Full => f.write_str("the queue is full"),
            QueueError::Empty => f.write_str("the queue is empty"),
            QueueError::TimedOut => f.write_str("nothing happened in the queue in time"),
            QueueError::TooLarge => f.write_str("the item is larger than a queue may hold"),
            QueueError::WrongType(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for QueueError {}
