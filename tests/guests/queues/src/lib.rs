//! Tasks that take from queues and put into them, and some that come to grief while they hold an item.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use wasmpool_guest::queue::{self, Queue, QueueError};
use wasmpool_guest::{Error, bail, progress, tasks, time};

/// Takes and puts.
#[tasks]
mod queues {
    use super::*;

    /// Takes everything, puts it into another queue when it is processed, and panics at one value.
    pub async fn consume(from: Queue<i64>, to: Queue<i64>, panics_at: Option<i64>) -> Result<u32, Error> {
        let mut seen = 0;
        while let Some(value) = from.get().await {
            assert!(Some(value) != panics_at, "it is {value}");
            time::sleep(Duration::from_millis(1)).await;
            to.put(&value).await?;
            seen += 1;
        }
        Ok(seen)
    }

    /// Takes one item and fails.
    pub async fn take_and_fail(from: Queue<i64>) -> Result<u32, Error> {
        bail!("took {:?}", from.get().await)
    }

    /// Takes one item and waits for ever.
    pub async fn take_and_wait(from: Queue<i64>) -> Option<i64> {
        let item = from.get().await;
        println!("taken");
        std::future::pending::<()>().await;
        item
    }

    /// Asks for an item, and computes for ever while it waits.
    pub async fn ask_and_compute(from: Queue<i64>) -> Option<i64> {
        let mut item = pin!(from.get());
        poll_fn(|context| match item.as_mut().poll(context) {
            Poll::Ready(item) => Poll::Ready(item),
            Poll::Pending => loop {
                black_box(());
            },
        })
        .await
    }

    /// Puts numbers up to one.
    pub async fn produce(to: Queue<i64>, up_to: i64) -> Result<u32, Error> {
        for number in 0..up_to {
            to.put(&number).await?;
            progress::set(number as u64 + 1, up_to as u64);
        }
        Ok(up_to as u32)
    }

    /// Walks a tree whose nodes have two children each: the queue feeds itself.
    pub async fn walk(nodes: Queue<u32>) -> Result<u32, Error> {
        let mut seen = 0;
        while let Some(depth) = nodes.get().await {
            if depth > 0 {
                nodes.put(&(depth - 1)).await?;
                nodes.put(&(depth - 1)).await?;
            }
            seen += 1;
        }
        Ok(seen)
    }

    /// Waits for an item, but not for long.
    pub async fn get_within(from: Queue<i64>, ms: u32) -> Result<Option<i64>, Error> {
        Ok(from.get_within(Duration::from_millis(ms.into())).await?)
    }

    /// Waits for room, but not for long.
    pub async fn put_within(to: Queue<i64>, item: i64, ms: u32) -> Result<(), Error> {
        Ok(to.put_within(&item, Duration::from_millis(ms.into())).await?)
    }

    /// Takes an item if there is one, without waiting.
    pub fn try_get(from: Queue<i64>) -> Result<Option<i64>, Error> {
        Ok(from.try_get()?)
    }

    /// Puts an item if there is room, without waiting.
    pub fn try_put(to: Queue<i64>, item: i64) -> Result<(), Error> {
        Ok(to.try_put(&item)?)
    }

    /// Ends a queue.
    pub fn close(which: Queue<i64>) {
        which.close();
    }

    /// Looks for a queue by a name of its own.
    pub fn find(name: String) -> Result<bool, Error> {
        match queue::open::<i64>(&name) {
            Ok(found) => Ok(found.name() == name),
            Err(QueueError::Undeclared(name)) => bail!("`{name}` is nowhere"),
            Err(other) => Err(other.into()),
        }
    }
}
