//! Looks after what may take too long, at every tick of the pool's clock and on its thread: whatever a worker is doing,
//! nothing there can hold this up. What is looked for is for those who are watched to know.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

/// Among so many heaps those who are watched are spread, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// From this many on, a heap is cleared now and then of those that need no look any more: each keeps a call's memory.
const TIDY_FROM: usize = 256;

/// Nobody is looked at again sooner.
const SOONEST: Duration = Duration::from_millis(1);

/// Who wants to be looked at.
pub(crate) trait Watched: Send + Sync {
    /// Returns false if a look that was asked for by `turn` is of no use any more.
    fn is_worth_a_look(&self, turn: u32) -> bool;
    /// Does what is to be done now; returns after how long to look again.
    fn look(self: Arc<Self>, turn: u32) -> Option<Duration>;
}

/// Looks after what may take too long.
pub(crate) struct Watchdog<T: ?Sized> {
    shards: Vec<Mutex<Shard<T>>>,
}

struct Shard<T: ?Sized> {
    due: BinaryHeap<Reverse<Due<T>>>,
    tidy_at: usize,
}

struct Due<T: ?Sized> {
    at: Instant,
    turn: u32,
    whom: Weak<T>,
}

impl<T: Watched + ?Sized> Watchdog<T> {
    pub(crate) fn new() -> Self {
        let shard = || Mutex::new(Shard { due: BinaryHeap::new(), tidy_at: TIDY_FROM });
        Watchdog { shards: std::iter::repeat_with(shard).take(SHARDS).collect() }
    }

    /// Has somebody looked at then. `key` is any number that differs between those who are watched; `turn` comes back with
    /// the look.
    pub(crate) fn watch(&self, key: u64, whom: Weak<T>, turn: u32, at: Instant) {
        let mut shard = self.shard(key);
        shard.due.push(Reverse(Due { at, turn, whom }));
        if shard.due.len() < shard.tidy_at {
            return;
        }
        let useless = shard.take_useless();
        shard.tidy_at = TIDY_FROM.max(shard.due.len() * 2);
        drop(shard);
        // It may be the last that keeps somebody, who is not ours and may have something to say.
        drop(useless);
    }

    /// Looks at all whose time has come.
    pub(crate) fn look_around(&self) {
        let now = Instant::now();
        for key in 0..SHARDS as u64 {
            loop {
                let due = self.shard(key).take_due(now);
                let Some(Due { whom, turn, .. }) = due else { break };
                let Some(watched) = whom.upgrade() else { continue };
                // Who is told something may panic over it; the others must be looked at all the same.
                let look = catch_unwind(AssertUnwindSafe(|| watched.look(turn)));
                match look {
                    Ok(after) => {
                        let at = |after: Duration| Instant::now().checked_add(after.max(SOONEST));
                        if let Some(at) = after.and_then(at) {
                            self.watch(key, whom, turn, at);
                        }
                    }
                    Err(_) => tracing::error!("a listener panicked over a call that took too long"),
                }
            }
        }
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, Shard<T>> {
        let place = usize::try_from(key % SHARDS as u64).expect("it is less than a length");
        self.shards[place].lock().expect("no holder of this lock panics")
    }
}

impl<T: Watched + ?Sized> Shard<T> {
    fn take_due(&mut self, now: Instant) -> Option<Due<T>> {
        if self.due.peek()?.0.at > now {
            return None;
        }
        self.due.pop().map(|Reverse(due)| due)
    }

    /// Takes out looks of no use; returns who was asked, since the last to know somebody must not be this shard.
    fn take_useless(&mut self) -> Vec<Arc<T>> {
        let mut asked = Vec::new();
        self.due.retain(|Reverse(due)| {
            let Some(watched) = due.whom.upgrade() else { return false };
            let is_kept = watched.is_worth_a_look(due.turn);
            asked.push(watched);
            is_kept
        });
        asked
    }
}

impl<T: ?Sized> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T: ?Sized> Eq for Due<T> {}

impl<T: ?Sized> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: ?Sized> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Wants to be looked at so often.
    struct Needy(AtomicU32);

    impl Watched for Needy {
        fn is_worth_a_look(&self, _: u32) -> bool {
            self.0.load(Ordering::Relaxed) > 0
        }

        fn look(self: Arc<Self>, _: u32) -> Option<Duration> {
            let left = self.0.fetch_sub(1, Ordering::Relaxed) - 1;
            assert!(left != 7, "a panic of somebody who is watched");
            (left > 0).then_some(Duration::ZERO)
        }
    }

    fn look_until(watchdog: &Watchdog<Needy>, is_over: impl Fn() -> bool) {
        while !is_over() {
            watchdog.look_around();
            std::thread::yield_now();
        }
    }

    #[test]
    fn everybody_is_looked_at_until_they_have_enough_whoever_panics() {
        let watchdog = Watchdog::new();
        let needy: Vec<_> = [3, 8, 5].map(|looks| Arc::new(Needy(AtomicU32::new(looks)))).into();
        for (key, one) in needy.iter().enumerate() {
            watchdog.watch(key as u64, Arc::downgrade(one), 0, Instant::now());
        }
        let left = |place: usize| needy[place].0.load(Ordering::Relaxed);
        look_until(&watchdog, || left(0) == 0 && left(2) == 0);
        assert_eq!(left(1), 7, "one who panicked is not looked at again");
    }

    #[test]
    fn looks_of_no_use_do_not_pile_up() {
        let watchdog = Watchdog::new();
        let done = Arc::new(Needy(AtomicU32::new(0)));
        let later = Instant::now() + Duration::from_secs(3_600);
        for _ in 0..100 * TIDY_FROM {
            watchdog.watch(0, Arc::downgrade(&done), 0, later);
        }
        assert!(watchdog.shard(0).due.len() <= TIDY_FROM);
    }
}
