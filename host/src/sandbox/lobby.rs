//! What a worker must know of the doors of its sandboxes without looking at each of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::bell::Bell;
use crate::call::{AttemptId, WorkerId};
use crate::reply::Witness;

/// One sandbox of a worker, in the order of their openings.
pub(crate) type DoorId = u64;

/// What the doors of one worker note for it.
#[derive(Default)]
pub(crate) struct Lobby {
    /// Attempts at or behind all doors that somebody awaits, and where.
    awaited: RefCell<FxHashMap<AttemptId, DoorId>>,
    /// Doors whose loop was called, and had not come by when somebody last looked.
    called: RefCell<Vec<DoorId>>,
    /// Doors that have become free for another call, or worn out, since somebody last looked.
    changed: RefCell<VecDeque<DoorId>>,
    /// Batches of calls that have begun behind a door since everything waited the last time.
    batches: RefCell<Vec<Witness>>,
}

impl Lobby {
    /// Returns how many calls somebody awaits, a batch of them counted as one.
    pub(crate) fn awaited(&self) -> usize {
        self.awaited.borrow().len()
    }

    /// Returns where an attempt is that somebody awaits.
    pub(crate) fn door_of(&self, attempt: AttemptId) -> Option<DoorId> {
        self.awaited.borrow().get(&attempt).copied()
    }

    /// Notes that an attempt has come to a door.
    pub(crate) fn note_arrival(&self, attempt: AttemptId, door: DoorId) {
        self.awaited.borrow_mut().insert(attempt, door);
    }

    /// Notes that an attempt has left a door, or that nobody awaits it any more; returns false if that is known.
    pub(crate) fn note_departure(&self, attempt: AttemptId, door: DoorId) -> bool {
        let mut awaited = self.awaited.borrow_mut();
        let was_here = awaited.get(&attempt) == Some(&door);
        if was_here {
            awaited.remove(&attempt);
        }
        was_here
    }

    /// Notes that the loop of a door was called.
    pub(crate) fn note_called(&self, door: DoorId) {
        self.called.borrow_mut().push(door);
    }

    /// Returns the doors whose loop was called, those included that were put back the last time.
    pub(crate) fn take_called(&self) -> Vec<DoorId> {
        std::mem::take(&mut *self.called.borrow_mut())
    }

    /// Keeps doors for the next time whose loop has still not come by.
    pub(crate) fn put_back_called(&self, left: Vec<DoorId>) {
        let mut called = self.called.borrow_mut();
        match called.is_empty() {
            // Its memory serves again.
            true => *called = left,
            false => called.extend(left),
        }
    }

    /// Notes that a door has become free for another call, or worn out.
    pub(crate) fn note_changed(&self, door: DoorId) {
        self.changed.borrow_mut().push_back(door);
    }

    /// Takes the first of them; one that changes meanwhile comes last.
    pub(crate) fn next_changed(&self) -> Option<DoorId> {
        self.changed.borrow_mut().pop_front()
    }

    /// Notes that a batch of calls has begun behind a door.
    pub(crate) fn note_batch(&self, batch: Witness) {
        self.batches.borrow_mut().push(batch);
    }

    /// Tells batches that everything on the worker's thread waits, and so do they if they are not over.
    pub(crate) fn tell_batches_that_they_wait(&self) {
        for batch in std::mem::take(&mut *self.batches.borrow_mut()) {
            batch.waits();
        }
    }

    /// Forgets a door that is gone, and all who were at it.
    pub(crate) fn forget(&self, door: DoorId) {
        self.awaited.borrow_mut().retain(|_, there| *there != door);
    }
}

/// Who a door belongs to.
pub(crate) struct Place {
    pub(crate) id: DoorId,
    pub(crate) module: usize,
    pub(crate) worker: WorkerId,
    pub(crate) bell: Arc<Bell>,
    pub(crate) lobby: Rc<Lobby>,
}
