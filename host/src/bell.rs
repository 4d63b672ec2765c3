//! How others get a worker's attention, whatever it is waiting for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;

use crate::call::CallId;

/// How others get a worker's attention while it waits.
#[derive(Default)]
pub(crate) struct Bell {
    waker: AtomicWaker,
    stop: AtomicBool,
    look_around: AtomicBool,
    withdrawn: Mutex<Vec<CallId>>,
}

impl Bell {
    /// Tells the worker that nobody awaits this call any more.
    pub(crate) fn withdraw(&self, call: CallId) {
        self.withdrawn.lock().expect("no holder of this lock panics").push(call);
        self.waker.wake();
    }

    /// Tells the worker to drop everything and end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Tells the worker that a module has been replaced.
    pub(crate) fn look_around(&self) {
        self.look_around.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Returns whether the worker was told to look around since the last time.
    pub(crate) fn take_look_around(&self) -> bool {
        // Read first, because it is asked at every turn and hardly ever so.
        self.look_around.load(Ordering::Acquire) && self.look_around.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Registers the worker to be woken, then returns the calls withdrawn since the last time.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> Vec<CallId> {
        self.waker.register(cx.waker());
        std::mem::take(&mut *self.withdrawn.lock().expect("no holder of this lock panics"))
    }
}
