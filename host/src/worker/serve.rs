//! What a worker does all day: take a job, seat it in a sandbox, see sandboxes end, look after those that are
//! old or idle, stop.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use rustc_hash::FxHashMap;
use tokio::time::Sleep;

use crate::bell::Bell;
use crate::call::{AttemptId, Company, WorkerId};
use crate::event::RetireReason;
use crate::sandbox::door::Door;
use crate::sandbox::gauges::Pulse;
use crate::sandbox::invoke::Job;
use crate::sandbox::lobby::{DoorId, Lobby};
use crate::worker::life::{Ended, FirstOpening};
use crate::worker::shelf::Shelf;
use crate::worker::workshop::Workshop;

pub(crate) struct Worker {
    pub(super) id: WorkerId,
    pub(super) shop: Arc<Workshop>,
    pub(super) bell: Arc<Bell>,
    pub(super) pulse: Arc<Pulse>,
    /// For each module, the sandboxes that may take a call.
    pub(super) shelves: Vec<Shelf>,
    /// All sandboxes, those included that take no more calls.
    pub(super) doors: FxHashMap<DoorId, Rc<Door>>,
    pub(super) next_door: DoorId,
    pub(super) lobby: Rc<Lobby>,
    /// How many of the sandboxes that calls share have not opened yet.
    pub(super) opening: Rc<Cell<usize>>,
    pub(super) sandboxes: FuturesUnordered<LocalBoxFuture<'static, Ended>>,
    /// Counts the turns of this worker's loop, so that it is known which sandboxes had theirs.
    pub(super) round: Rc<Cell<u64>>,
    /// When to look for sandboxes that are too old or were idle for too long.
    pub(super) alarm: Option<Pin<Box<Sleep>>>,
    /// When it had a call the last time; kept by those who leave when they have had none for long.
    pub(super) had_work_at: Instant,
    /// How many calls it keeps in flight: fewer than it might where the system had no room for more sandboxes.
    pub(super) concurrency: usize,
    /// Until when it opens no sandbox, because the system had no room for one.
    pub(super) rests_until: Option<Instant>,
    /// How many calls.
    taken_since_pause: usize,
}

/// So many calls are taken in a row before timers and sockets of waiting calls get their turn.
const CALLS_BETWEEN_PAUSES: usize = 64;

/// What happened, of all that can happen to a worker.
enum Step {
    Take(Job),
    Ended(Ended),
    Withdrawn(Vec<AttemptId>),
    LookAround,
    Stop,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, shop: Arc<Workshop>, bell: Arc<Bell>) -> Self {
        let pulse = {
            let (shop, bell) = (shop.clone(), bell.clone());
            Pulse::new(move |call| {
                bell.note_busy_tick(call);
                shop.queue.pass_on(id);
                bell.is_stopped()
            })
        };
        let concurrency = shop.concurrency;
        let shelves = shop.modules.iter().map(|module| Shelf::new(module.isolation)).collect();
        Worker {
            id,
            shop,
            bell,
            pulse,
            shelves,
            doors: FxHashMap::default(),
            next_door: 0,
            lobby: Rc::default(),
            opening: Rc::default(),
            sandboxes: FuturesUnordered::new(),
            round: Rc::default(),
            alarm: None,
            had_work_at: Instant::now(),
            concurrency,
            rests_until: None,
            taken_since_pause: 0,
        }
    }

    /// Serves jobs until the worker is told to stop, or has been without work for so long that it may leave.
    /// `first` hears of the first sandbox of each module, which are then opened before any job asks for them.
    pub(crate) async fn serve(mut self, first: Vec<FirstOpening>) {
        for (module, hears) in first.into_iter().enumerate() {
            let door = self.open_usual(module, Some(hears));
            self.shelves[module].put(door);
        }
        self.look_around();
        loop {
            match self.next_step().await {
                Step::Take(job) => {
                    let calls = job.calls;
                    self.seat(job);
                    self.pause_now_and_then(calls).await;
                }
                Step::Ended(ended) => self.clear_away(ended),
                Step::Withdrawn(attempts) => self.note_withdrawn(&attempts),
                Step::LookAround if self.may_leave() => return self.leave(RetireReason::WorkerEnded),
                Step::LookAround => self.look_around(),
                Step::Stop => return self.leave(RetireReason::Closed),
            }
        }
    }

    async fn pause_now_and_then(&mut self, calls: usize) {
        self.taken_since_pause += calls;
        if self.taken_since_pause >= CALLS_BETWEEN_PAUSES {
            self.taken_since_pause = 0;
            tokio::task::yield_now().await;
        }
    }

    async fn next_step(&mut self) -> Step {
        poll_fn(|cx| self.poll_step(cx)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let withdrawn = self.bell.listen(cx);
        if self.bell.is_stopped() {
            return Poll::Ready(Step::Stop);
        }
        if !withdrawn.is_empty() {
            return Poll::Ready(Step::Withdrawn(withdrawn));
        }
        self.shop.owed_wakes.pay_in_time();
        self.note_work();
        self.pulse.take_busy();
        self.round.set(self.round.get() + 1);
        // This runs guest code, until all of it waits for something or the epoch asks for a pause.
        self.bell.note_turned_to_sandboxes();
        let polled = self.sandboxes.poll_next_unpin(cx);
        self.bell.note_turned_away();
        if let Poll::Ready(Some(ended)) = polled {
            return Poll::Ready(Step::Ended(ended));
        }
        let is_busy = self.pulse.take_busy();
        if !is_busy {
            self.bell.note_came_round();
            self.lobby.tell_batches_that_they_wait();
        }
        self.see_to_changed();
        let alarm_rings = self.alarm.as_mut().is_some_and(|alarm| alarm.poll_unpin(cx).is_ready());
        if self.bell.take_look_around() || alarm_rings {
            return Poll::Ready(Step::LookAround);
        }
        if is_busy || self.opening.get() > 0 || self.relieve_held_up() || self.has_no_room() {
            // Whoever woke this worker for a job should find somebody else.
            self.shop.queue.pass_on(self.id);
            return Poll::Pending;
        }
        match self.shop.queue.poll_take(self.id, cx) {
            Poll::Ready(Some(job)) => Poll::Ready(Step::Take(job)),
            Poll::Ready(None) => Poll::Ready(Step::Stop),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Notes that there is a call, whose end may be in this turn.
    fn note_work(&mut self) {
        if !self.shop.staffing.is_permanent(self.id) && self.lobby.awaited() > 0 {
            self.had_work_at = Instant::now();
        }
    }

    /// Returns true if it can take no more calls at present.
    fn has_no_room(&self) -> bool {
        self.lobby.awaited() >= self.concurrency || self.rests_until.is_some()
    }

    fn seat(&mut self, job: Job) {
        let (module, affinity) = (job.module, job.affinity);
        if !job.reply.seated(&self.bell) {
            return;
        }
        let door = if job.company == Company::Alone {
            self.open_for_one(module)
        } else {
            let may_open = self.doors.len() < self.concurrency;
            let found = self.shelves[module].take(affinity, may_open);
            let door = found.unwrap_or_else(|| self.open_usual(module, None));
            self.shelves[module].note_taken(&door, affinity);
            door
        };
        door.admit(job);
        if let Some(reason) = door.wear_by_use() {
            self.close(&door, reason);
        }
    }
}
