//! Where a worker and the loop of one of its sandboxes meet. Both live on one thread.
//!
//! The worker lets jobs in and says when no more will come; the loop takes in as many at once as the sandbox may run.
//! What a worker must know of its doors without looking at each of them, they note in its lobby.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use crate::call::AttemptId;
use crate::event::RetireReason;
use crate::hold::Hold;
use crate::lifespan::Lifespan;
use crate::reply::Surroundings;
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::invoke::Job;
use crate::sandbox::lobby::Place;
use crate::sandbox::meter::MemoryMeter;
use crate::tally::sandboxes::CountedSandbox;

/// Where a worker and the loop of one of its sandboxes meet.
pub(crate) struct Door {
    pub(crate) place: Place,
    pub(crate) blueprint: Arc<Blueprint>,
    /// How much memory the guest has, in bytes.
    pub(crate) memory: Arc<MemoryMeter>,
    /// Who in there keeps all others from running.
    pub(crate) hold: Arc<Hold>,
    lifespan: Lifespan,
    /// The sandbox, as long as it or its worker has to do with this door.
    pub(crate) counted: CountedSandbox,
    /// How many calls may be inside at once, a batch of them counted as one, as everywhere here.
    pub(crate) capacity: usize,
    waiting: RefCell<VecDeque<Job>>,
    /// How many calls inside or waiting somebody awaits; the lobby knows which.
    awaited: Cell<usize>,
    /// How many affinities have their home here.
    pub(crate) keys: Cell<usize>,
    /// Calls inside that nobody awaits any more, and that have not ended.
    abandoned: Cell<usize>,
    /// How many calls were let in, those not counted that were taken back.
    admitted: Cell<u64>,
    /// How many calls have begun inside.
    served: Cell<u64>,
    /// Since when the sandbox is open.
    open_since: Cell<Option<Instant>>,
    /// Since when nobody awaits anything from in here, if nobody does.
    idle_since: Cell<Instant>,
    closing: Cell<Option<RetireReason>>,
    /// False from when something changed at the door until the loop has come by.
    loop_came_by: Cell<bool>,
    /// The worker's last turn in which the sandbox was polled.
    polled_in: Cell<u64>,
    /// Of the loop, which does not come by while guest code holds the whole store.
    waker: RefCell<Option<Waker>>,
    /// Of whoever waits outside for the sandbox to be done.
    pub(super) outside_waker: RefCell<Option<Waker>>,
}

impl Door {
    pub(crate) fn new(
        place: Place,
        blueprint: Arc<Blueprint>,
        capacity: usize,
        lifespan: Lifespan,
        counted: CountedSandbox,
    ) -> Rc<Self> {
        Rc::new(Door {
            place,
            blueprint,
            memory: Arc::default(),
            hold: Arc::default(),
            lifespan,
            counted,
            capacity,
            waiting: RefCell::default(),
            awaited: Cell::new(0),
            keys: Cell::new(0),
            abandoned: Cell::new(0),
            admitted: Cell::new(0),
            served: Cell::new(0),
            open_since: Cell::new(None),
            idle_since: Cell::new(Instant::now()),
            closing: Cell::new(None),
            loop_came_by: Cell::new(true),
            polled_in: Cell::new(0),
            waker: RefCell::default(),
            outside_waker: RefCell::default(),
        })
    }

    /// Returns where calls run that begin in here.
    pub(crate) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { worker: self.place.worker, bell: &self.place.bell, hold: &self.hold }
    }

    /// Lets a job in.
    pub(crate) fn admit(&self, job: Job) {
        self.place.lobby.note_arrival(job.attempt, self.place.id);
        self.awaited.set(self.awaited.get() + 1);
        self.admitted.set(self.admitted.get() + 1);
        self.waiting.borrow_mut().push_back(job);
        self.call_the_loop();
    }

    /// Takes the next job inside, which `running` others are.
    pub(crate) fn take_in(&self, running: usize) -> Option<Job> {
        if running >= self.capacity {
            return None;
        }
        self.waiting.borrow_mut().pop_front()
    }

    /// Takes back the jobs that have not begun.
    pub(crate) fn take_waiting(&self) -> Vec<Job> {
        let jobs: Vec<_> = self.waiting.borrow_mut().drain(..).collect();
        for job in &jobs {
            self.no_longer_awaited(job.attempt);
        }
        self.admitted.set(self.admitted.get() - jobs.len() as u64);
        jobs
    }

    /// Returns the count of calls that have begun inside.
    pub(super) fn served_count(&self) -> &Cell<u64> {
        &self.served
    }

    /// Notes that a call is not inside any more.
    pub(crate) fn leave(&self, attempt: AttemptId) {
        if !self.no_longer_awaited(attempt) {
            self.abandoned.set(self.abandoned.get().saturating_sub(1));
        }
        self.note_if_changed();
    }

    /// Tells the worker if another call may come in, or none any more.
    fn note_if_changed(&self) {
        if (self.capacity == 1 && self.is_empty()) || self.is_too_large() {
            self.place.lobby.note_changed(self.place.id);
        }
    }

    /// Notes that nobody awaits a call any more; returns its job if it has not begun.
    pub(crate) fn abandon(&self, attempt: AttemptId) -> Option<Job> {
        if !self.no_longer_awaited(attempt) {
            return None;
        }
        self.call_the_loop();
        let mut waiting = self.waiting.borrow_mut();
        let Some(place) = waiting.iter().position(|job| job.attempt == attempt) else {
            self.abandoned.set(self.abandoned.get() + 1);
            return None;
        };
        self.admitted.set(self.admitted.get() - 1);
        self.note_if_changed();
        waiting.remove(place)
    }

    fn no_longer_awaited(&self, attempt: AttemptId) -> bool {
        if !self.place.lobby.note_departure(attempt, self.place.id) {
            return false;
        }
        self.awaited.set(self.awaited.get() - 1);
        if self.awaited.get() == 0 && self.lifespan.idle < Duration::MAX {
            self.idle_since.set(Instant::now());
        }
        true
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.get()
    }

    pub(crate) fn awaited(&self) -> usize {
        self.awaited.get()
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.get()
    }

    /// Returns true if nobody is inside or waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.awaited.get() == 0 && self.abandoned.get() == 0
    }

    pub(crate) fn note_open(&self) {
        let now = Instant::now();
        self.open_since.set(Some(now));
        self.idle_since.set(now);
        self.counted.opened();
        // Until now nobody could expect the loop to come by.
        if !self.loop_came_by() {
            self.place.lobby.note_called(self.place.id);
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open_since.get().is_some()
    }

    /// Returns why the sandbox has done enough, if it has, whatever the time is.
    pub(crate) fn wear_by_use(&self) -> Option<RetireReason> {
        self.lifespan.wear(self.admitted.get(), self.memory.bytes(), Duration::ZERO, Duration::ZERO)
    }

    /// Returns why the sandbox has done enough, if it has.
    pub(crate) fn wear(&self, now: Instant) -> Option<RetireReason> {
        let since =
            |then: Option<Instant>| then.map_or(Duration::ZERO, |then| now.saturating_duration_since(then));
        let is_idle = self.is_open() && self.awaited.get() == 0;
        let (age, idle) = (since(self.open_since.get()), since(is_idle.then(|| self.idle_since.get())));
        self.lifespan.wear(self.admitted.get(), self.memory.bytes(), age, idle)
    }

    fn is_too_large(&self) -> bool {
        self.memory.bytes() >= self.lifespan.memory_bytes
    }

    /// Returns when the sandbox should be looked at again, to see whether it is too old or was idle for too long.
    pub(crate) fn next_look(&self, now: Instant) -> Option<Instant> {
        let open_since = self.open_since.get()?;
        let idle_from = if self.awaited.get() == 0 { self.idle_since.get() } else { now };
        let (old, idle) =
            (open_since.checked_add(self.lifespan.age), idle_from.checked_add(self.lifespan.idle));
        [old, idle].into_iter().flatten().min()
    }

    /// Lets nobody in any more, for the first reason given; the sandbox ends when its last awaited call has.
    pub(crate) fn close(&self, reason: RetireReason) {
        if self.closing.get().is_none() {
            self.closing.set(Some(reason));
            self.counted.takes_no_more_calls();
        }
        self.call_the_loop();
    }

    pub(crate) fn closing(&self) -> Option<RetireReason> {
        self.closing.get()
    }

    /// Returns true if it is closed and nobody awaits anything from in here.
    pub(crate) fn is_done(&self) -> bool {
        self.closing.get().is_some() && self.awaited.get() == 0
    }

    /// Returns false if the loop has not come by since it was called: either the sandbox is not open yet, or
    /// guest code waits inside a host call that holds the whole store.
    pub(crate) fn loop_came_by(&self) -> bool {
        self.loop_came_by.get()
    }

    /// Notes that the loop has seen all there is to see, and whom to wake when there is more.
    pub(crate) fn note_came_by(&self, cx: &Context<'_>) {
        self.loop_came_by.set(true);
        *self.waker.borrow_mut() = Some(cx.waker().clone());
    }

    /// Notes that the sandbox has its part of a turn of the worker.
    pub(crate) fn note_polled_in(&self, round: u64) {
        self.polled_in.set(round);
    }

    pub(crate) fn was_polled_in(&self, round: u64) -> bool {
        self.polled_in.get() == round
    }

    fn call_the_loop(&self) {
        if self.loop_came_by.replace(false) && self.is_open() {
            self.place.lobby.note_called(self.place.id);
        }
        for waker in [&self.waker, &self.outside_waker] {
            if let Some(waker) = waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}
