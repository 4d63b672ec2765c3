//! How others get a worker's attention, whatever it is waiting for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::task::Context;
use std::time::{Duration, Instant};

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
    /// Since when the worker is busy with its sandboxes and no tick has met guest code, in microseconds; 0 if it is not.
    host_since_us: AtomicU64,
    /// For how long it has been so in all, short times left out.
    host_us: AtomicU64,
}

/// The host works for so long at a time before it is worth mentioning: two ticks would have met guest code.
const HOST_AT_WORK_US: u64 = 20_000;

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

    /// Notes that the worker turns to its sandboxes. What it does there is guest code, at each tick, or the host's own work:
    /// to read a trap's backtrace takes as long as many a call may.
    pub(crate) fn note_turned_to_sandboxes(&self) {
        self.host_since_us.store(in_us(Instant::now()), Ordering::Relaxed);
    }

    /// Notes that the worker has turned away from its sandboxes.
    pub(crate) fn note_turned_away(&self) {
        self.count_host_time(Instant::now(), 0);
    }

    /// Returns for how long until `now` the host itself has worked in the sandboxes of this worker, short times left out.
    pub(crate) fn host_time(&self, now: Instant) -> Duration {
        let since = self.host_since_us.load(Ordering::Relaxed);
        let present = if since == 0 { 0 } else { in_us(now).saturating_sub(since) };
        let present = if present < HOST_AT_WORK_US { 0 } else { present };
        Duration::from_micros(self.host_us.load(Ordering::Relaxed) + present)
    }

    fn count_host_time(&self, now: Instant, next_since_us: u64) {
        let since = self.host_since_us.swap(next_since_us, Ordering::Relaxed);
        let passed = if since == 0 { 0 } else { in_us(now).saturating_sub(since) };
        if passed >= HOST_AT_WORK_US {
            self.host_us.fetch_add(passed, Ordering::Relaxed);
        }
    }

    /// Notes that a tick met guest code computing, for this call if for any.
    pub(crate) fn note_busy_tick(&self, call: Option<CallId>) {
        let now = Instant::now();
        self.count_host_time(now, in_us(now));
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

/// Returns a moment as the time since another in the past, in microseconds, never 0.
fn in_us(moment: Instant) -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(moment.saturating_duration_since(*BEGIN).as_micros()).unwrap_or(u64::MAX).max(1)
}
