//! One time limit over the many waits of a request.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{Error, ErrorKind};
use crate::time;

/// When a request's time is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    end: Instant,
    timeout: Duration,
}

impl Deadline {
    /// Starts the clock. A time that no clock can count to is no limit.
    pub(super) fn after(timeout: Duration) -> Option<Self> {
        Instant::now().checked_add(timeout).map(|end| Deadline { end, timeout })
    }
}

/// Does `work`, or gives it up when its time is over.
pub(super) async fn within<T>(
    deadline: Option<Deadline>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else { return work.await };
    let mut end = pin!(time::sleep(deadline.end.saturating_duration_since(Instant::now())));
    let mut work = pin!(work);
    poll_fn(|context| {
        // What is there in time is never refused, even if both are seen at once.
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        end.as_mut().poll(context).map(|()| {
            Err(Error::new(ErrorKind::Timeout, format!("no complete answer within {:?}", deadline.timeout)))
        })
    })
    .await
}
