//! Which sandboxes of one module a worker has for the next call.

use std::collections::HashMap;
use std::rc::Rc;

use crate::call::Isolation;
use crate::sandbox::door::Door;

/// Where calls of one affinity went is remembered for so many of them.
const HOMES_AT_MOST: usize = 16_384;

/// The sandboxes of one module that may take a call.
pub(crate) struct Shelf {
    isolation: Isolation,
    /// The one that all calls share.
    shared: Option<Rc<Door>>,
    /// Those without a call, the one that was used last at the end.
    free: Vec<Rc<Door>>,
    /// Where the calls of an affinity go.
    homes: HashMap<u64, Rc<Door>>,
}

impl Shelf {
    pub(crate) fn new(isolation: Isolation) -> Self {
        Shelf { isolation, shared: None, free: Vec::new(), homes: HashMap::new() }
    }

    /// Finds a sandbox for a call and takes it off the shelf, unless others may have it at the same time. Finds none
    /// for a new affinity, if another one `may_open` and all that are free are home to others.
    pub(crate) fn take(&mut self, affinity: Option<u64>, may_open: bool) -> Option<Rc<Door>> {
        match (self.isolation, affinity) {
            (Isolation::Shared, _) => self.shared.clone(),
            (Isolation::Fresh, _) | (Isolation::Exclusive, None) => self.free.pop(),
            (Isolation::Exclusive, Some(affinity)) => {
                self.take_home(affinity).or_else(|| self.take_as_home(may_open))
            }
        }
    }

    fn take_home(&mut self, affinity: u64) -> Option<Rc<Door>> {
        let home = self.homes.get(&affinity)?.clone();
        self.free.retain(|door| !Rc::ptr_eq(door, &home));
        Some(home)
    }

    fn take_as_home(&mut self, may_open: bool) -> Option<Rc<Door>> {
        match self.free.iter().rposition(|door| door.keys.get() == 0) {
            Some(place) => Some(self.free.remove(place)),
            None if may_open => None,
            None => self.free.pop(),
        }
    }

    /// Notes who has a sandbox that was just taken or opened.
    pub(crate) fn note_taken(&mut self, door: &Rc<Door>, affinity: Option<u64>) {
        match (self.isolation, affinity) {
            (Isolation::Shared, _) => self.shared = Some(door.clone()),
            (Isolation::Exclusive, Some(affinity)) => self.settle(affinity, door),
            (Isolation::Exclusive, None) | (Isolation::Fresh, _) => {}
        }
    }

    fn settle(&mut self, affinity: u64, door: &Rc<Door>) {
        if self.homes.get(&affinity).is_some_and(|home| Rc::ptr_eq(home, door)) {
            return;
        }
        if self.homes.len() >= HOMES_AT_MOST {
            for (_, home) in self.homes.drain() {
                home.keys.set(0);
            }
        }
        door.keys.set(door.keys.get() + 1);
        if let Some(before) = self.homes.insert(affinity, door.clone()) {
            before.keys.set(before.keys.get().saturating_sub(1));
        }
    }

    /// Returns how many sandboxes are without a call.
    pub(crate) fn free(&self) -> usize {
        self.free.len()
    }

    /// Returns the sandbox that was without a call for longest.
    pub(crate) fn longest_free(&self) -> Option<Rc<Door>> {
        self.free.first().cloned()
    }

    /// Puts a sandbox without a call on the shelf.
    pub(crate) fn put(&mut self, door: Rc<Door>) {
        match self.isolation {
            Isolation::Shared => self.shared = Some(door),
            Isolation::Exclusive | Isolation::Fresh => self.free.push(door),
        }
    }

    /// Takes a sandbox away for good.
    pub(crate) fn remove(&mut self, gone: &Rc<Door>) {
        self.shared.take_if(|door| Rc::ptr_eq(door, gone));
        self.free.retain(|door| !Rc::ptr_eq(door, gone));
        if gone.keys.replace(0) > 0 {
            self.homes.retain(|_, door| !Rc::ptr_eq(door, gone));
        }
    }
}
