//! When a sandbox is given up from outside, whatever its guest code is doing: its loop may be held up, and then
//! nobody but the door can tell that it is over.

use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::sandbox::door::Door;

impl Door {
    /// Returns true if it is closed with a call inside that nobody awaits and that may hold up the others.
    fn may_be_held_up(&self) -> bool {
        self.closing().is_some() && self.abandoned() > 0 && !self.loop_came_by()
    }

    /// Waits outside until nobody needs the sandbox any more, whatever its guest code is doing; or, once it is closed
    /// and a call in it that nobody awaits holds up the others, until they have had [`Limits::drain_limit`](crate::Limits) to end.
    pub(crate) async fn given_up(&self) {
        while !self.is_done() {
            poll_fn(|cx| self.poll_outside(cx, self.is_done() || self.may_be_held_up())).await;
            let relieved = poll_fn(|cx| self.poll_outside(cx, self.is_done() || !self.may_be_held_up()));
            if tokio::time::timeout(self.blueprint.limits.drain_limit, relieved).await.is_err() {
                return;
            }
        }
    }

    /// Waits until nobody needs the sandbox any more.
    pub(crate) async fn done(&self) {
        poll_fn(|cx| self.poll_outside(cx, self.is_done())).await;
    }

    fn poll_outside(&self, cx: &Context<'_>, is_over: bool) -> Poll<()> {
        if is_over {
            return Poll::Ready(());
        }
        *self.outside_waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}
