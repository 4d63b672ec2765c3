//! One queue: its items, and the places of those who wait for it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Which of a pool's queues.
pub(crate) type QueueId = usize;

/// Which wait, in the order in which they began.
pub(crate) type WaitId = u64;

/// A JSON text on its way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Item {
    pub(crate) text: Arc<str>,
    /// How often an attempt has taken it.
    pub(super) deliveries: u32,
}

/// One queue.
pub(crate) struct Queue {
    pub(crate) name: Arc<str>,
    capacity: usize,
    most_bytes: usize,
    pub(super) items: VecDeque<Item>,
    bytes: usize,
    pub(super) getters: BTreeSet<WaitId>,
    pub(super) putters: BTreeSet<WaitId>,
    /// Bytes of items whose putters wait for room.
    pub(super) waiting_bytes: usize,
    rejected_bytes: usize,
    /// How many items attempts have taken and are not done with.
    pub(crate) lent: usize,
    is_closed: bool,
    /// It closes by itself when nothing is left.
    pub(super) is_finishing: bool,
    /// Items that were set aside, the latest at the end; no more than the queue holds.
    pub(super) rejected: VecDeque<Arc<str>>,
    /// Shared with the embedder's handles, of which there are as many as it has other owners.
    pub(crate) handles: Arc<()>,
}

impl Item {
    /// Returns true if it is the same, not just an equal one.
    pub(super) fn is(&self, other: &Item) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }
}

impl Queue {
    pub(crate) fn new(name: &str, capacity: usize, most_bytes: usize) -> Self {
        Queue {
            name: name.into(),
            capacity: capacity.max(1),
            most_bytes,
            items: VecDeque::new(),
            bytes: 0,
            getters: BTreeSet::new(),
            putters: BTreeSet::new(),
            waiting_bytes: 0,
            rejected_bytes: 0,
            lent: 0,
            is_closed: false,
            is_finishing: false,
            rejected: VecDeque::new(),
            handles: Arc::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.getters.len(), self.putters.len())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Closes it once it is empty and nobody has an item of it.
    pub(crate) fn finish(&mut self) {
        self.is_finishing = true;
    }

    pub(super) fn has_room_for(&self, text: &str) -> bool {
        self.items.len() < self.capacity
            && (self.items.is_empty() || self.bytes + text.len() <= self.most_bytes)
    }

    /// Returns true if there is no item, and none can come or come back.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_closed && self.items.is_empty() && self.lent == 0
    }

    pub(super) fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.text.len();
        Some(item)
    }

    pub(super) fn put(&mut self, text: Arc<str>) {
        self.bytes += text.len();
        self.items.push_back(Item { text, deliveries: 0 });
    }

    pub(super) fn put_back(&mut self, item: Item) {
        self.bytes += item.text.len();
        self.items.push_front(item);
    }

    /// Sets an item aside. The latest are kept, no more than the queue holds.
    pub(super) fn reject(&mut self, text: Arc<str>) {
        self.rejected_bytes += text.len();
        self.rejected.push_back(text);
        while self.rejected.len() > self.capacity || self.rejected_bytes > self.most_bytes {
            let Some(oldest) = self.rejected.pop_front() else { return };
            self.rejected_bytes -= oldest.len();
        }
    }

    /// Takes what was set aside.
    pub(super) fn take_rejected(&mut self) -> Vec<Arc<str>> {
        self.rejected_bytes = 0;
        self.rejected.drain(..).collect()
    }

    /// Notes that nobody waits by this number any more, be it for an item or with `bytes` for room.
    pub(super) fn end_wait(&mut self, id: WaitId, bytes: usize) {
        self.getters.remove(&id);
        if self.putters.remove(&id) {
            self.waiting_bytes -= bytes;
        }
    }

    /// Returns true if an item may wait for room: those that do are held too, so there may be as much of them as in it.
    pub(super) fn lets_wait(&self, text: &str) -> bool {
        self.waiting_bytes + text.len() <= self.most_bytes
    }
}
