//! Wakes that a worker owes to those who read many answers. To wake who sleeps takes a worker some 7 µs, as long as many
//! a call. So for answers that follow each other closely he is woken once: when the worker has nothing else to do, or has
//! owed it for a while, or at the next tick of the pool's clock, whatever the worker is doing.
//!
//! Whoever awaits a single call is no reader in this sense and is woken at once, as is everybody by other threads.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

/// Wakes are owed for so long, and answers that come less often are told at once.
const OWED_FOR: Duration = Duration::from_micros(200);

thread_local! {
    /// Those of the worker whose thread this is.
    static OF_THIS_WORKER: RefCell<Option<Arc<OwedWakes>>> = const { RefCell::new(None) };
}

/// The wakes that a worker owes.
///
/// Aligned so that no two workers write to the same cache lines.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct OwedWakes {
    is_any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    owed: Vec<Arc<AtomicWaker>>,
    /// Since when it owes the first of them.
    since: Option<Instant>,
    /// When it woke somebody the last time.
    paid: Option<Instant>,
}

/// What a wake is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// One, and others may come at any moment or not for long.
    One,
    /// Many, and as many are to come, or the worker will have nothing to do.
    Many,
}

/// Has the wakes that are asked for on this thread owed by its worker. What it owes at the end is paid.
pub(crate) struct OnThisThread(Arc<OwedWakes>);

/// Wakes a reader in time to hear of answers.
pub(crate) fn wake_in_time(reader: &Arc<AtomicWaker>, answers: Answers) {
    let of_this_worker = OF_THIS_WORKER.try_with(|owed| owed.borrow().clone()).ok().flatten();
    match of_this_worker {
        Some(owed) => owed.owe(reader, answers, Instant::now()),
        None => reader.wake(),
    }
}

impl OwedWakes {
    pub(crate) fn on_this_thread(self: &Arc<Self>) -> OnThisThread {
        OF_THIS_WORKER.set(Some(self.clone()));
        OnThisThread(self.clone())
    }

    fn owe(&self, reader: &Arc<AtomicWaker>, answers: Answers, now: Instant) {
        let mut state = self.state();
        if answers == Answers::One {
            let is_frequent = state.paid.is_some_and(|paid| now.saturating_duration_since(paid) < OWED_FOR);
            if !is_frequent {
                state.paid = Some(now);
                drop(state);
                return reader.wake();
            }
            state.since.get_or_insert(now);
        }
        state.owed.push(reader.clone());
        self.is_any.store(true, Ordering::Release);
    }

    /// Wakes everybody if somebody's wake has been owed for long enough.
    pub(crate) fn pay_in_time(&self) {
        // Read first, because mostly there is none.
        if self.is_any.load(Ordering::Acquire) && self.is_due(Instant::now()) {
            self.pay();
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.state().since.is_some_and(|since| now.saturating_duration_since(since) >= OWED_FOR)
    }

    /// Wakes all who are owed it.
    pub(crate) fn pay(&self) {
        if self.is_any.load(Ordering::Acquire) {
            self.pay_at(Instant::now());
        }
    }

    fn pay_at(&self, now: Instant) {
        let mut state = self.state();
        self.is_any.store(false, Ordering::Release);
        (state.since, state.paid) = (None, Some(now));
        let owed = std::mem::take(&mut state.owed);
        // Whoever is woken is not ours, and may come back here.
        drop(state);
        owed.iter().for_each(|reader| reader.wake());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Drop for OnThisThread {
    fn drop(&mut self) {
        // Nobody pays what this thread would owe from now on.
        OF_THIS_WORKER.set(None);
        self.0.pay();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Sleeper(AtomicUsize);

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Somebody who falls asleep, and what wakes him.
    fn sleeper() -> (Arc<Sleeper>, Arc<AtomicWaker>) {
        let (sleeper, reader) = (Arc::<Sleeper>::default(), Arc::<AtomicWaker>::default());
        reader.register(&Waker::from(sleeper.clone()));
        (sleeper, reader)
    }

    fn is_awake(sleeper: &Sleeper) -> bool {
        sleeper.0.load(Ordering::Relaxed) > 0
    }

    #[test]
    fn the_first_of_close_answers_is_told_at_once_and_the_others_together_when_it_is_time() {
        let (owed, begin) = (OwedWakes::default(), Instant::now());
        let (first, reader) = sleeper();
        owed.owe(&reader, Answers::One, begin);
        assert!(is_awake(&first) && !owed.is_due(begin + OWED_FOR * 2), "it owes nothing");
        let soon = begin + OWED_FOR / 2;
        let ((second, reader), (third, other_reader)) = (sleeper(), sleeper());
        owed.owe(&reader, Answers::One, soon);
        owed.owe(&other_reader, Answers::One, soon + OWED_FOR / 4);
        assert!(!is_awake(&second) && !is_awake(&third));
        assert!(!owed.is_due(soon + OWED_FOR / 2) && owed.is_due(soon + OWED_FOR));
        owed.pay_at(soon + OWED_FOR);
        assert!(is_awake(&second) && is_awake(&third) && !owed.is_due(soon + OWED_FOR * 2));
        let (much_later, reader) = sleeper();
        owed.owe(&reader, Answers::One, soon + OWED_FOR * 2);
        assert!(is_awake(&much_later), "answers are rare again");
    }

    #[test]
    fn for_many_answers_the_reader_is_woken_when_the_worker_has_nothing_else_to_do() {
        let (owed, begin) = (OwedWakes::default(), Instant::now());
        let (sleeper, reader) = sleeper();
        owed.owe(&reader, Answers::Many, begin);
        assert!(!is_awake(&sleeper) && !owed.is_due(begin + OWED_FOR * 2));
        owed.pay();
        assert!(is_awake(&sleeper));
    }

    #[test]
    fn wakes_are_owed_on_the_threads_of_workers_alone_and_paid_at_their_end() {
        let owed = Arc::<OwedWakes>::default();
        let on_this_thread = owed.on_this_thread();
        let (sleeper_here, reader) = sleeper();
        wake_in_time(&reader, Answers::Many);
        let (sleeper_there, other_reader) = sleeper();
        std::thread::spawn(move || wake_in_time(&other_reader, Answers::Many)).join().expect("no panic");
        assert!(!is_awake(&sleeper_here) && is_awake(&sleeper_there));
        drop(on_this_thread);
        assert!(is_awake(&sleeper_here));
        let (sleeper_after, reader) = sleeper();
        wake_in_time(&reader, Answers::Many);
        assert!(is_awake(&sleeper_after));
    }
}
