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

    /// Finds a sandbox for a call and takes it off the shelf, unless others may have it at the same time.
    pub(crate) fn take(&mut self, affinity: Option<u64>) -> Option<Rc<Door>> {
        match self.isolation {
            Isolation::Shared => self.shared.clone(),
            Isolation::Fresh => self.free.pop(),
            Isolation::Exclusive => self.take_home(affinity).or_else(|| self.free.pop()),
        }
    }

    fn take_home(&mut self, affinity: Option<u64>) -> Option<Rc<Door>> {
        let home = self.homes.get(&affinity?)?.clone();
        self.free.retain(|door| !Rc::ptr_eq(door, &home));
        Some(home)
    }

    /// Notes who has a sandbox that was just taken or opened.
    pub(crate) fn note_taken(&mut self, door: &Rc<Door>, affinity: Option<u64>) {
        match self.isolation {
            Isolation::Shared => self.shared = Some(door.clone()),
            Isolation::Fresh => {}
            Isolation::Exclusive => {
                let Some(affinity) = affinity else { return };
                if self.homes.len() >= HOMES_AT_MOST {
                    self.homes.clear();
                }
                self.homes.insert(affinity, door.clone());
            }
        }
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
        self.homes.retain(|_, door| !Rc::ptr_eq(door, gone));
    }
}
