//! How others get a worker's attention, whatever it is waiting for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Context;

use futures::task::AtomicWaker;

use crate::call::{AttemptId, CallId};

/// How others get a worker's attention while it waits.
#[derive(Default)]
pub(crate) struct Bell {
    waker: AtomicWaker,
    stop: AtomicBool,
    look_around: AtomicBool,
    withdrawn: Mutex<Vec<AttemptId>>,
    /// How many ticks in a row have met guest code computing, since the worker last came round to everything.
    stretch_ticks: AtomicU64,
    /// The call that the last of them met; 0 for none.
    busy_call: AtomicU64,
    /// How many ticks belong to stretches that were long.
    long_ticks: AtomicU64,
}

/// Guest code that computes for so many ticks in a row keeps others waiting.
const LONG_STRETCH: u64 = 5;

/// After so many ticks in a row it does so at this moment.
const STRETCH: u64 = 2;

impl Bell {
    /// Tells the worker that nobody awaits this attempt any more.
    pub(crate) fn withdraw(&self, attempt: AttemptId) {
        self.withdrawn.lock().expect("no holder of this lock panics").push(attempt);
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

    /// Notes that a tick met guest code computing, for this call if for any.
    pub(crate) fn note_busy_tick(&self, call: Option<CallId>) {
        self.busy_call.store(call.map_or(0, CallId::get), Ordering::Relaxed);
        let ticks = self.stretch_ticks.fetch_add(1, Ordering::Relaxed) + 1;
        match ticks.cmp(&LONG_STRETCH) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => drop(self.long_ticks.fetch_add(ticks, Ordering::Relaxed)),
            std::cmp::Ordering::Greater => drop(self.long_ticks.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// Notes that everything on the worker's thread has had its turn.
    pub(crate) fn note_came_round(&self) {
        // Read first, because it is hardly ever anything else than 0.
        if self.stretch_ticks.load(Ordering::Relaxed) != 0 {
            self.stretch_ticks.store(0, Ordering::Relaxed);
        }
    }

    /// Returns for how many ticks guest code has computed for so long that others had to wait.
    pub(crate) fn long_busy_ticks(&self) -> u64 {
        self.long_ticks.load(Ordering::Relaxed)
    }

    /// Returns whose guest code keeps others waiting at this moment, if any does; 0 is for what belongs to no call.
    pub(crate) fn busy_with(&self) -> Option<CallId> {
        let is_busy = self.stretch_ticks.load(Ordering::Relaxed) >= STRETCH;
        is_busy.then(|| CallId(self.busy_call.load(Ordering::Relaxed)))
    }

    /// Registers the worker to be woken, then returns the attempts withdrawn since the last time.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> Vec<AttemptId> {
        self.waker.register(cx.waker());
        std::mem::take(&mut *self.withdrawn.lock().expect("no holder of this lock panics"))
    }
}
