//! What is behind the lock of a pool's queues: items, who waits for what, and which attempt has taken which item. Every
//! item is in exactly one place. Nothing here waits or wakes: who is to be woken is returned.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::call::AttemptId;
use crate::queues::dealings::Dealings;
use crate::queues::line::{Item, Queue, QueueId, WaitId};
use crate::reply::Witness;

/// An item that came back so often is set aside: it may be the one that kills who takes it.
const DELIVERIES_AT_MOST: u32 = 3;

/// In whose name a guest takes and puts.
#[derive(Clone)]
pub(crate) struct Owner {
    pub(crate) attempt: AttemptId,
    pub(crate) witness: Witness,
}

/// Somebody who waits, or has got what he waited for and not taken it.
struct Wait {
    queue: QueueId,
    owner: Option<Owner>,
    /// Whether it ends by nothing but the queue.
    is_endless: bool,
    since: Instant,
    waker: Waker,
    wish: Wish,
}

enum Wish {
    Get,
    Put(Arc<str>),
    Granted(Granted),
}

impl Wish {
    /// Returns how much waits for room.
    fn bytes(&self) -> usize {
        if let Wish::Put(text) = self { text.len() } else { 0 }
    }
}

/// What became of a wait.
#[derive(Debug, PartialEq)]
pub(crate) enum Granted {
    Item(Item),
    /// The end of the queue.
    End,
    Put,
    /// The queue was closed before there was room.
    Refused,
}

/// All queues of a pool.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) queues: Vec<Queue>,
    waits: HashMap<WaitId, Wait>,
    next_wait: WaitId,
    attempts: HashMap<AttemptId, Dealings>,
    pub(crate) is_over: bool,
}

impl State {
    pub(crate) fn find(&self, name: &str) -> Option<QueueId> {
        self.queues.iter().position(|queue| &*queue.name == name)
    }

    /// Begins to wait for an item. Whoever does is done with those before.
    pub(crate) fn begin_get(&mut self, queue: QueueId, owner: Option<Owner>, is_endless: bool) -> WaitId {
        if let Some(owner) = &owner {
            self.done_with(queue, owner.attempt);
        }
        let (id, has_begun) = self.begin(queue, owner, is_endless, Wish::Get);
        if has_begun {
            self.queues[queue].getters.insert(id);
        }
        id
    }

    /// Begins to wait for room; `None` if too much waits already.
    pub(crate) fn begin_put(
        &mut self,
        queue: QueueId,
        text: Arc<str>,
        owner: Option<Owner>,
        is_endless: bool,
    ) -> Option<WaitId> {
        if !self.queues[queue].lets_wait(&text) {
            return None;
        }
        let bytes = text.len();
        let (id, has_begun) = self.begin(queue, owner, is_endless, Wish::Put(text));
        if has_begun {
            self.queues[queue].waiting_bytes += bytes;
            self.queues[queue].putters.insert(id);
        }
        Some(id)
    }

    /// Begins to wait, unless it would be for an attempt that is over, whose wait never ends.
    fn begin(
        &mut self,
        queue: QueueId,
        owner: Option<Owner>,
        is_endless: bool,
        wish: Wish,
    ) -> (WaitId, bool) {
        let (id, since) = (self.next_wait, Instant::now());
        self.next_wait += 1;
        if owner.as_ref().is_some_and(|owner| !owner.witness.is_awaited()) {
            return (id, false);
        }
        if let Some(owner) = &owner {
            self.attempts.entry(owner.attempt).or_default().begin_wait(id, since);
        }
        let waker = Waker::noop().clone();
        self.waits.insert(id, Wait { queue, owner, is_endless, since, waker, wish });
        (id, true)
    }

    /// Takes what a wait was granted; else it is granted later, or never if its attempt is over.
    pub(crate) fn collect(&mut self, id: WaitId, waker: &Waker) -> Option<Granted> {
        let wait = self.waits.get_mut(&id)?;
        if !matches!(wait.wish, Wish::Granted(_)) {
            wait.waker.clone_from(waker);
            return None;
        }
        let Wait { owner, wish: Wish::Granted(granted), .. } = self.end(id)? else { return None };
        if let (Some(owner), Granted::Item(item)) = (owner, &granted)
            && let Some(dealings) = self.attempts.get_mut(&owner.attempt)
        {
            dealings.has_seen(item);
        }
        Some(granted)
    }

    /// Ends a wait that nobody is interested in any more. An item that it was granted goes back to its place.
    pub(crate) fn abandon(&mut self, id: WaitId) {
        let Some(wait) = self.end(id) else { return };
        let Wish::Granted(Granted::Item(item)) = wait.wish else { return };
        let queue = &mut self.queues[wait.queue];
        let dealings = wait.owner.and_then(|owner| self.attempts.get_mut(&owner.attempt));
        if dealings.is_some_and(|dealings| dealings.take_back(&item)) {
            queue.lent -= 1;
        }
        // It was never seen.
        queue.put_back(Item { deliveries: item.deliveries.saturating_sub(1), ..item });
    }

    fn end(&mut self, id: WaitId) -> Option<Wait> {
        let wait = self.waits.remove(&id)?;
        self.queues[wait.queue].end_wait(id, wait.wish.bytes());
        let dealings = wait.owner.as_ref().and_then(|owner| self.attempts.get_mut(&owner.attempt));
        if let Some(dealings) = dealings {
            dealings.end_wait(id);
        }
        Some(wait)
    }

    /// Notes that an attempt is done with what it has seen of a queue.
    fn done_with(&mut self, queue: QueueId, attempt: AttemptId) {
        if let Some(dealings) = self.attempts.get_mut(&attempt) {
            self.queues[queue].lent -= dealings.done_with(queue);
        }
    }

    /// Ends everything of an attempt: its waits, and what it took, which comes back unless it went well. Returns what
    /// was set aside, with its queue's name.
    pub(crate) fn attempt_ended(&mut self, attempt: AttemptId, went_well: bool) -> Vec<(Arc<str>, Arc<str>)> {
        let waits: Vec<_> = self.attempts.get(&attempt).into_iter().flat_map(Dealings::waits).collect();
        // Backwards as well, for the same reason as below.
        waits.into_iter().rev().for_each(|wait| self.abandon(wait));
        let mut rejected = Vec::new();
        let dealings = self.attempts.remove(&attempt).unwrap_or_default();
        // Backwards, so that what was taken first is first again.
        for (from, item) in dealings.into_lent().rev() {
            let queue = &mut self.queues[from];
            queue.lent -= 1;
            if went_well {
                continue;
            }
            if item.deliveries < DELIVERIES_AT_MOST {
                queue.put_back(item);
            } else {
                rejected.push((queue.name.clone(), item.text.clone()));
                queue.reject(item.text);
            }
        }
        rejected
    }

    /// Returns how many attempts wait.
    pub(crate) fn attempts_waiting(&self) -> usize {
        self.attempts.values().filter(|dealings| dealings.is_waiting()).count()
    }

    /// Returns how long an attempt has waited for queues in all.
    pub(crate) fn waited_by(&self, attempt: AttemptId) -> Duration {
        self.attempts.get(&attempt).map_or(Duration::ZERO, Dealings::waited)
    }

    /// Returns who has waited for so long, and ends by nothing but a queue of which no embedder has a handle.
    pub(crate) fn stuck(&self, for_long: Duration) -> Vec<(Owner, Arc<str>)> {
        let is_stuck = |wait: &Wait| {
            let is_waiting = !matches!(wait.wish, Wish::Granted(_));
            is_waiting && wait.is_endless && wait.since.elapsed() >= for_long
        };
        let mut stuck: HashMap<AttemptId, (Owner, Arc<str>)> = HashMap::new();
        for wait in self.waits.values().filter(|wait| is_stuck(wait)) {
            let queue = &self.queues[wait.queue];
            if let Some(owner) = &wait.owner
                && Arc::strong_count(&queue.handles) == 1
            {
                stuck.insert(owner.attempt, (owner.clone(), queue.name.clone()));
            }
        }
        stuck.into_values().collect()
    }

    /// Grants all that can be granted now; returns who is to be woken.
    pub(crate) fn grant_all(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for queue in 0..self.queues.len() {
            while self.grant_next(queue, &mut wakers) {}
        }
        wakers
    }

    /// Grants one wish of a queue, if that is possible; first those of who waits for longest.
    fn grant_next(&mut self, id: QueueId, wakers: &mut Vec<Waker>) -> bool {
        let queue = &mut self.queues[id];
        if queue.is_finishing && queue.items.is_empty() && queue.lent == 0 && queue.putters.is_empty() {
            queue.close();
        }
        if let Some(getter) = queue.getters.first().copied() {
            if self.is_over_for(getter) {
                self.abandon(getter);
                return true;
            }
            let queue = &mut self.queues[id];
            if queue.is_at_end() {
                self.grant(getter, Granted::End, wakers);
                return true;
            }
            if let Some(item) = queue.take() {
                let item = self.lend(id, getter, item);
                self.grant(getter, Granted::Item(item), wakers);
                return true;
            }
        }
        let queue = &self.queues[id];
        let Some(putter) = queue.putters.first().copied() else { return false };
        if self.is_over_for(putter) {
            self.abandon(putter);
            return true;
        }
        let Some(Wait { wish: Wish::Put(text), .. }) = self.waits.get(&putter) else { return false };
        if queue.is_closed() {
            self.grant(putter, Granted::Refused, wakers);
        } else if queue.has_room_for(text) {
            let text = text.clone();
            self.queues[id].put(text);
            self.grant(putter, Granted::Put, wakers);
        } else {
            return false;
        }
        true
    }

    /// Returns true if nobody awaits the attempt that waits: what it would take or put, nobody expects.
    fn is_over_for(&self, id: WaitId) -> bool {
        let owner = self.waits.get(&id).and_then(|wait| wait.owner.as_ref());
        owner.is_some_and(|owner| !owner.witness.is_awaited())
    }

    /// Notes who has an item; the embedder has it for good.
    fn lend(&mut self, queue: QueueId, getter: WaitId, mut item: Item) -> Item {
        let owner = self.waits.get(&getter).and_then(|wait| wait.owner.as_ref());
        if let Some(owner) = owner {
            item.deliveries += 1;
            self.queues[queue].lent += 1;
            self.attempts.entry(owner.attempt).or_default().lend(queue, item.clone());
        }
        item
    }

    fn grant(&mut self, id: WaitId, granted: Granted, wakers: &mut Vec<Waker>) {
        let Some(wait) = self.waits.get_mut(&id) else { return };
        let wish = std::mem::replace(&mut wait.wish, Wish::Granted(granted));
        self.queues[wait.queue].end_wait(id, wish.bytes());
        wakers.push(wait.waker.clone());
    }
}
