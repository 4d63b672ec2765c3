//! What a worker watches for in its sandboxes: guests that hold them up, calls that nobody awaits any more, age,
//! idleness, and modules that have been replaced.

use std::time::Instant;

use crate::call::AttemptId;
use crate::event::RetireReason;
use crate::lifespan;
use crate::sandbox::engine::TICK;
use crate::sandbox::lobby::DoorId;
use crate::worker::serve::Worker;

impl Worker {
    /// Looks for sandboxes whose loop does not come by, because a guest waits in a way that holds up all of it.
    /// Others get what stands at the door. If calls are in there that nobody awaits, one of them may hold it for
    /// ever, and another sandbox takes its place. Returns true if one is left that only has to be waited for.
    pub(super) fn relieve_held_up(&mut self) -> bool {
        let mut must_wait = false;
        let mut called = self.lobby.take_called();
        called.retain(|door| self.may_be_held_up(*door, &mut must_wait));
        self.lobby.put_back_called(called);
        must_wait
    }

    /// Returns true if a sandbox whose loop was called is one to be looked at again.
    fn may_be_held_up(&mut self, door: DoorId, must_wait: &mut bool) -> bool {
        let Some(door) = self.doors.get(&door).filter(|door| !door.loop_came_by()).cloned() else {
            return false;
        };
        // One that is not open yet holds up nobody else.
        let is_held_up = door.is_open() && door.was_polled_in(self.round.get());
        if is_held_up && door.closing().is_some() {
            // Nobody else comes to this door, so nobody has to wait for it.
            self.hand_back(door.take_waiting());
            return false;
        }
        if is_held_up && door.abandoned() > 0 {
            self.retire(&door, RetireReason::Stuck);
            return false;
        }
        if is_held_up && door.capacity > 1 {
            self.hand_back(door.take_waiting());
            *must_wait = true;
        }
        true
    }

    pub(super) fn note_withdrawn(&mut self, attempts: &[AttemptId]) {
        for attempt in attempts {
            let door = self.lobby.door_of(*attempt).and_then(|door| self.doors.get(&door)).cloned();
            let Some(door) = door else { continue };
            // The job of one that has not begun is dropped here, outside the door.
            if door.abandon(*attempt).is_some() || door.closing().is_some() {
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
        let staffing = self.shop.staffing;
        let leave = (!staffing.is_permanent(self.id)).then(|| self.had_work_at + staffing.idle);
        let look = self.shop.recycling.longest_look_away().and_then(|time| now.checked_add(time));
        let mut next = [leave, look, self.rests_until].into_iter().flatten().min();
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
}
