//! How a worker looks after its sandboxes: opens them, takes those out of use that are worn, held up or replaced,
//! and clears away those that have ended.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures::FutureExt;

use crate::call::{CallId, Isolation};
use crate::event::{Event, RetireReason};
use crate::lifespan::{self, Lifespan};
use crate::outcome::{Ending, Failure};
use crate::sandbox::door::{Door, Place};
use crate::sandbox::engine::TICK;
use crate::sandbox::invoke::Job;
use crate::sandbox::unopened::Unopened;
use crate::worker::life::{Awaited, End, Ended, FirstOpening, live};
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
                let awaited = Awaited::count(&self.opening);
                self.open(module, usize::MAX, lifespan, Some(awaited), first)
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
        awaited: Option<Awaited>,
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
        let mut life =
            live(self.shop.clone(), door.clone(), self.pulse.clone(), awaited, first).boxed_local();
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
    fn retire(&mut self, door: &Rc<Door>, reason: RetireReason) {
        self.close(door, reason);
        self.hand_back(door.take_waiting());
    }

    /// Gives jobs that have not begun back to the queue.
    fn hand_back(&self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            // A closed queue drops the job, whose reply then says that the pool is gone.
            let _ = self.shop.queue.push_front(job);
        }
    }

    /// Puts sandboxes back on the shelf whose call has ended, unless they are worn.
    pub(super) fn see_to_changed(&mut self) {
        for id in self.lobby.take_changed() {
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

    /// Looks for sandboxes whose loop does not come by, because a guest waits in a way that holds up all of it.
    /// Others get what stands at the door. If calls are in there that nobody awaits, one of them may hold it for
    /// ever, and another sandbox takes its place. Returns true if one is left that only has to be waited for.
    pub(super) fn relieve_held_up(&mut self) -> bool {
        let mut must_wait = false;
        let mut left = Vec::new();
        for id in self.lobby.take_called() {
            let Some(door) = self.doors.get(&id).cloned() else { continue };
            if door.loop_came_by() {
                continue;
            }
            // One that is not open yet holds up nobody else.
            let is_held_up = door.is_open() && door.was_polled_in(self.round.get());
            if is_held_up && door.closing().is_some() {
                // Nobody else comes to this door, so nobody has to wait for it.
                self.hand_back(door.take_waiting());
                continue;
            }
            if is_held_up && door.abandoned() > 0 {
                self.retire(&door, RetireReason::Stuck);
                continue;
            }
            if is_held_up && door.capacity > 1 {
                self.hand_back(door.take_waiting());
                must_wait = true;
            }
            left.push(id);
        }
        self.lobby.put_back_called(left);
        must_wait
    }

    pub(super) fn note_withdrawn(&mut self, calls: &[CallId]) {
        for call in calls {
            let door = self.lobby.door_of(*call).and_then(|door| self.doors.get(&door)).cloned();
            let Some(door) = door else { continue };
            // The job of one that has not begun is dropped here, outside the door.
            if door.abandon(*call).is_some() || door.closing().is_some() {
                continue;
            }
            if door.capacity == 1 {
                // Nobody waits behind a call that may never end.
                self.shelves[door.place.module].remove(&door);
                self.hand_back(door.take_waiting());
            }
            // Where calls have sandboxes of their own, sandboxes are counted instead of calls.
            let abandoned = if door.capacity > 1 { door.abandoned() } else { self.abandoned_doors() };
            if lifespan::too_many_abandoned(abandoned, self.shop.concurrency) {
                self.retire(&door, RetireReason::Abandoned);
            }
        }
    }

    fn abandoned_doors(&self) -> usize {
        self.doors.values().filter(|door| door.abandoned() > 0 && door.closing().is_none()).count()
    }

    /// Takes sandboxes out of use that are too old, were idle for too long, or are of a module that has been
    /// replaced.
    pub(super) fn look_around(&mut self) {
        let now = Instant::now();
        self.rests_until.take_if(|until| *until <= now);
        if self.lobby.awaited() > 0 {
            self.had_work_at = now;
        }
        let staffing = self.shop.staffing;
        let leave = (!staffing.is_permanent(self.id)).then_some(staffing.idle);
        let look_away = [self.shop.recycling.longest_look_away(), leave].into_iter().flatten().min();
        let mut next =
            look_away.and_then(|time| now.checked_add(time)).into_iter().chain(self.rests_until).min();
        let doors: Vec<_> = self.doors.values().filter(|door| door.closing().is_none()).cloned().collect();
        for door in doors {
            let is_present = self.shop.modules[door.place.module].is_present(&door.blueprint);
            let reason = if is_present { door.wear(now) } else { Some(RetireReason::Replaced) };
            match reason {
                Some(reason) => self.retire(&door, reason),
                None => next = [next, door.next_look(now)].into_iter().flatten().min(),
            }
        }
        // Never at once: other things are to get their turn, whatever the settings are.
        self.alarm = next.map(|next| Box::pin(tokio::time::sleep_until(next.max(now + TICK).into())));
    }

    /// Returns true if this worker came for a while and has been without work for long enough.
    pub(super) fn may_leave(&self) -> bool {
        let staffing = self.shop.staffing;
        !staffing.is_permanent(self.id)
            && self.lobby.awaited() == 0
            && self.had_work_at.elapsed() >= staffing.idle
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
        let jobs = door.take_waiting();
        if unopened.is_for_want_of_room && self.make_room() {
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
