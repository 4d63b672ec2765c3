//! Queues for native tests: as the pool's, but of one thread, and without anybody who could fail and give items back.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::queue::{self, Queue};

struct Declared {
    capacity: usize,
    items: VecDeque<String>,
    is_closed: bool,
    waiting: Vec<Waker>,
}

thread_local! {
    static QUEUES: RefCell<HashMap<String, Declared>> = RefCell::default();
}

/// Declares a queue on this thread that holds up to `capacity` items, and returns it; an earlier one of that name is gone.
///
/// See [`Queue`] for an example.
pub fn declare_queue<T>(name: &str, capacity: usize) -> Queue<T> {
    let declared =
        Declared { capacity: capacity.max(1), items: VecDeque::new(), is_closed: false, waiting: Vec::new() };
    QUEUES.with_borrow_mut(|queues| queues.insert(name.to_owned(), declared));
    queue::open(name).expect("it was just declared")
}

/// The native side of the contract's `queue`. Waits with a time limit end at once where nothing is to be had: on one
/// thread nobody can come meanwhile but what is awaited beside it.
pub(crate) mod stand_in {
    use super::*;

    #[derive(Debug)]
    pub(crate) enum Error {
        Undeclared,
        Closed,
        Full,
        Empty,
        TimedOut,
        #[expect(dead_code, reason = "natively an item may have any size")]
        TooLarge,
        #[expect(dead_code, reason = "natively items are written by the SDK alone")]
        NotJson,
    }

    fn with<R>(name: &str, what: impl FnOnce(&mut Declared) -> Result<R, Error>) -> Result<R, Error> {
        QUEUES.with_borrow_mut(|queues| what(queues.get_mut(name).ok_or(Error::Undeclared)?))
    }

    fn changed(queue: &mut Declared) {
        queue.waiting.drain(..).for_each(Waker::wake);
    }

    pub(crate) fn find(name: &str) -> Result<(), Error> {
        with(name, |_| Ok(()))
    }

    pub(crate) fn try_get(name: &str) -> Result<Option<String>, Error> {
        with(name, |queue| match queue.items.pop_front() {
            Some(item) => {
                changed(queue);
                Ok(Some(item))
            }
            None if queue.is_closed => Ok(None),
            None => Err(Error::Empty),
        })
    }

    pub(crate) fn try_put(name: &str, item: &str) -> Result<(), Error> {
        with(name, |queue| {
            if queue.is_closed {
                return Err(Error::Closed);
            }
            if queue.items.len() >= queue.capacity {
                return Err(Error::Full);
            }
            queue.items.push_back(item.to_owned());
            changed(queue);
            Ok(())
        })
    }

    pub(crate) fn close(name: &str) -> Result<(), Error> {
        with(name, |queue| {
            queue.is_closed = true;
            changed(queue);
            Ok(())
        })
    }

    pub(crate) async fn get(name: String, timeout_ms: Option<u64>) -> Result<Option<String>, Error> {
        wait(&name, timeout_ms, || try_get(&name)).await
    }

    pub(crate) async fn put(name: String, item: String, timeout_ms: Option<u64>) -> Result<(), Error> {
        wait(&name, timeout_ms, || try_put(&name, &item)).await
    }

    async fn wait<R>(
        name: &str,
        timeout_ms: Option<u64>,
        attempt: impl Fn() -> Result<R, Error>,
    ) -> Result<R, Error> {
        poll_fn(|cx| match attempt() {
            Err(Error::Empty | Error::Full) if timeout_ms.is_some() => Poll::Ready(Err(Error::TimedOut)),
            Err(Error::Empty | Error::Full) => {
                // The queue was there a moment ago.
                let _ = with(name, |queue| {
                    queue.waiting.push(cx.waker().clone());
                    Ok(())
                });
                Poll::Pending
            }
            done => Poll::Ready(done),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::queue::QueueError;
    use crate::testing::block_on;

    #[test]
    fn items_come_in_order_and_the_end_is_none() {
        let queue = declare_queue::<u32>("numbers", 2);
        block_on(async {
            queue.put(&1).await.unwrap();
            queue.put(&2).await.unwrap();
            assert_eq!(queue.try_put(&3), Err(QueueError::Full));
            assert_eq!(queue.put_within(&3, Duration::from_secs(1)).await, Err(QueueError::TimedOut));
            assert_eq!(queue.get().await, Some(1));
            queue.close();
            assert_eq!(queue.put(&3).await, Err(QueueError::Closed));
            assert_eq!((queue.get().await, queue.get().await), (Some(2), None));
            assert_eq!(queue.try_get(), Ok(None));
        });
    }

    #[test]
    fn what_was_not_declared_is_an_error_and_so_is_an_item_of_another_type() {
        assert_eq!(queue::open::<u32>("nowhere").unwrap_err(), QueueError::Undeclared("nowhere".to_owned()));
        let texts = declare_queue::<String>("mixed", 2);
        block_on(texts.put(&"one".to_owned())).unwrap();
        let numbers = queue::open::<u32>("mixed").unwrap();
        assert!(matches!(numbers.try_get(), Err(QueueError::WrongType(_))));
    }
}
