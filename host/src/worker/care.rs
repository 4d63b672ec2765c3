//! How a worker opens sandboxes, takes them out of use, and clears away those that have ended or did not open.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use crate::call::Isolation;
use crate::event::{Event, RetireReason};
use crate::failure::Failure;
use crate::lifespan::{self, Lifespan};
use crate::outcome::Ending;
use crate::sandbox::door::Door;
use crate::sandbox::invoke::Job;
use crate::sandbox::lobby::Place;
use crate::sandbox::unopened::Unopened;
use crate::worker::life::{End, Ended, FirstOpening, SharedOpening, live};
use crate::worker::serve::Worker;
use crate::worker::shelf::Shelf;

/// How long a worker waits before it asks the system once more for a sandbox.
const REST: Duration = Duration::from_millis(50);

impl Worker {
    /// Begins to open a sandbox as the module's isolation wants it; its calls can come to the door meanwhile.
    pub(super) fn open_usual(&mut self, module: usize, first: Option<FirstOpening>) -> Rc<Door> {
        let lifespan = self.shop.recycling.lifespan(fastrand::f64());
        match self.shop.modules[module].isolation {
            Isolation::Shared => {
                let shared = SharedOpening::count(&self.opening);
                self.open(module, usize::MAX, lifespan, Some(shared), first)
            }
            Isolation::Exclusive => self.open(module, 1, lifespan, None, first),
            Isolation::Fresh => self.open(module, 1, Lifespan::ONE_CALL, None, first),
        }
    }

    /// Begins to open a sandbox for one call.
    pub(super) fn open_for_one(&mut self, module: usize) -> Rc<Door> {
        self.open(module, 1, Lifespan::ONE_CALL, None, None)
    }

    fn open(
        &mut self,
        module: usize,
        capacity: usize,
        lifespan: Lifespan,
        shared: Option<SharedOpening>,
        first: Option<FirstOpening>,
    ) -> Rc<Door> {
        self.next_door += 1;
        let place = Place {
            id: self.next_door,
            module,
            worker: self.id,
            bell: self.bell.clone(),
            lobby: self.lobby.clone(),
        };
        let blueprint = self.shop.modules[module].blueprint();
        let counted = self.shop.tally.count_sandbox(self.id);
        let door = Door::new(place, blueprint, capacity, lifespan, counted);
        let mut life = live(self.shop.clone(), door.clone(), self.pulse.clone(), shared, first).boxed_local();
        let (outside, round) = (door.clone(), self.round.clone());
        let noted = poll_fn(move |cx| {
            outside.note_polled_in(round.get());
            life.poll_unpin(cx)
        });
        self.sandboxes.push(noted.boxed_local());
        self.doors.insert(self.next_door, door.clone());
        door
    }

    /// Lets nobody into a sandbox any more. Who is at the door already goes in and ends there.
    pub(super) fn close(&mut self, door: &Rc<Door>, reason: RetireReason) {
        door.close(reason);
        self.shelves[door.place.module].remove(door);
    }

    /// Lets nobody into a sandbox any more, and gives back what has not begun.
    pub(super) fn retire(&mut self, door: &Rc<Door>, reason: RetireReason) {
        self.close(door, reason);
        self.hand_back(door.take_waiting());
    }

    /// Gives jobs that have not begun back to the queue.
    pub(super) fn hand_back(&self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            // A closed queue drops the job, whose reply then says that the pool is gone.
            let _ = self.shop.queue.push_front(job);
        }
    }

    /// Puts sandboxes back on the shelf whose call has ended, unless they are worn.
    pub(super) fn see_to_changed(&mut self) {
        while let Some(id) = self.lobby.next_changed() {
            let Some(door) = self.doors.get(&id).filter(|door| door.closing().is_none()).cloned() else {
                continue;
            };
            if let Some(reason) = door.wear_by_use() {
                self.close(&door, reason);
            } else if door.is_empty() {
                self.shelves[door.place.module].put(door);
                self.close_surplus();
            }
        }
    }

    /// Closes the sandbox that was without a call for longest, if more are than calls could come at once.
    fn close_surplus(&mut self) {
        let free: usize = self.shelves.iter().map(Shelf::free).sum();
        if free <= self.shop.concurrency {
            return;
        }
        let fullest = self.shelves.iter().max_by_key(|shelf| shelf.free());
        if let Some(door) = fullest.and_then(Shelf::longest_free) {
            self.close(&door, RetireReason::Idle);
        }
    }

    /// Ends all sandboxes, whatever goes on in them.
    pub(super) fn leave(self, reason: RetireReason) {
        // It may have been woken for a job the moment before.
        self.shop.queue.pass_on(self.id);
        for door in self.doors.values() {
            if door.is_open() {
                self.tell_retired(door, reason);
            }
        }
    }

    pub(super) fn clear_away(&mut self, ended: Ended) {
        let Ended { door, how } = ended;
        self.doors.remove(&door.place.id);
        self.shelves[door.place.module].remove(&door);
        match how {
            End::Unneeded => self.hand_back(door.take_waiting()),
            End::Retired(reason) => {
                self.tell_retired(&door, reason);
                self.hand_back(door.take_waiting());
            }
            End::Unopened(unopened) => self.not_opened(&door, unopened),
        }
        if door.awaited() > 0 {
            // Nobody is behind a door that is gone; whoever is still counted there would take up a place for ever.
            self.lobby.forget(door.place.id);
        }
    }

    fn tell_retired(&self, door: &Door, reason: RetireReason) {
        door.counted.retired(reason);
        self.shop.teller.tell(|| Event::SandboxRetired {
            module: door.blueprint.name.clone(),
            worker: self.id,
            reason,
            served: door.served(),
        });
    }

    /// Does with less where the system has no room for one more sandbox: ends one that is not used, or waits for
    /// those that are. Returns false if there is no other sandbox in the pool, and so nothing to wait for.
    fn make_room(&mut self) -> bool {
        let is_unused = |door: &&Rc<Door>| door.is_open() && door.is_empty() && door.closing().is_none();
        let unused = self.doors.values().find(is_unused).cloned();
        if let Some(unused) = &unused {
            self.retire(unused, RetireReason::Idle);
        }
        let sandboxes = self.shop.tally.sandboxes();
        if unused.is_none() && sandboxes.serving + sandboxes.retiring == 0 {
            return false;
        }
        let fewer = self.lobby.awaited().max(1);
        if fewer < self.concurrency {
            tracing::warn!(
                "{} keeps {fewer} calls in flight, as the system has no room for more sandboxes",
                self.id
            );
            self.concurrency = fewer;
        }
        let until = Instant::now() + REST;
        self.rests_until = Some(until);
        self.alarm = Some(Box::pin(tokio::time::sleep_until(until.into())));
        true
    }

    fn not_opened(&mut self, door: &Door, unopened: Unopened) {
        let reason = unopened.reason;
        let desk = &self.shop.modules[door.place.module];
        door.counted.not_opened();
        self.shop.teller.tell(|| Event::SandboxNotOpened {
            module: desk.name.clone(),
            worker: self.id,
            reason: reason.clone(),
        });
        let mut jobs = door.take_waiting();
        if unopened.is_for_want_of_room && self.make_room() {
            // Others may have room for them.
            jobs.iter_mut().for_each(|job| job.affinity = None);
            return self.hand_back(jobs);
        }
        let desk = &self.shop.modules[door.place.module];
        // A module that has been replaced meanwhile has failed for the last time.
        let is_hopeless =
            desk.is_present(&door.blueprint) && lifespan::gives_up_opening(desk.count_failed_opening());
        if !is_hopeless {
            return self.hand_back(jobs);
        }
        for job in jobs.into_iter().chain(self.shop.queue.take_all_of(door.place.module)) {
            job.reply.answer(Ending::Failed(Failure::NotStarted { reason: reason.clone() }));
        }
    }
}
