//! What one attempt has to do with a pool's queues: the items it has, what it waits for, and for how long it has waited
//! in all. What then becomes of an item is decided elsewhere (`state`).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::queues::line::{Item, QueueId, WaitId};

/// An attempt's items and waits.
#[derive(Default)]
pub(crate) struct Dealings {
    lent: Vec<Lent>,
    waits: BTreeSet<WaitId>,
    waited: Duration,
    waits_since: Option<Instant>,
}

/// An item that an attempt has.
struct Lent {
    from: QueueId,
    item: Item,
    /// Whether the attempt has been handed it, rather than just been granted it.
    is_seen: bool,
}

impl Dealings {
    pub(super) fn begin_wait(&mut self, id: WaitId, since: Instant) {
        self.waits.insert(id);
        self.waits_since.get_or_insert(since);
    }

    pub(super) fn end_wait(&mut self, id: WaitId) {
        self.waits.remove(&id);
        if self.waits.is_empty()
            && let Some(since) = self.waits_since.take()
        {
            self.waited += since.elapsed();
        }
    }

    /// Returns its waits, in the order in which they began.
    pub(super) fn waits(&self) -> impl DoubleEndedIterator<Item = WaitId> {
        self.waits.iter().copied()
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waits.is_empty()
    }

    /// Returns for how long it has waited, with what it waits now; two waits at once count once.
    pub(super) fn waited(&self) -> Duration {
        self.waited + self.waits_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Notes that it is granted an item.
    pub(super) fn lend(&mut self, from: QueueId, item: Item) {
        self.lent.push(Lent { from, item, is_seen: false });
    }

    /// Notes that it has been handed an item.
    pub(super) fn has_seen(&mut self, item: &Item) {
        if let Some(lent) = self.lent.iter_mut().rfind(|lent| lent.item.is(item)) {
            lent.is_seen = true;
        }
    }

    /// Takes an item away from it; returns true if it had that.
    pub(super) fn take_back(&mut self, item: &Item) -> bool {
        let place = self.lent.iter().rposition(|lent| lent.item.is(item));
        place.map(|place| self.lent.remove(place)).is_some()
    }

    /// Notes that it is done with what it has seen of a queue; returns how many items those were.
    pub(super) fn done_with(&mut self, queue: QueueId) -> usize {
        let before = self.lent.len();
        self.lent.retain(|lent| lent.from != queue || !lent.is_seen);
        before - self.lent.len()
    }

    /// Returns the items it still has and where they are from, in the order in which it was granted them.
    pub(super) fn into_lent(self) -> impl DoubleEndedIterator<Item = (QueueId, Item)> {
        self.lent.into_iter().map(|lent| (lent.from, lent.item))
    }
}
