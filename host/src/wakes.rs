//! Wakes that the workers of a pool owe to those who read many answers. To wake who sleeps takes a worker some 7 µs, as long
//! as many a call. So for answers that follow each other closely a reader is woken once: before any worker sleeps, when it
//! has been owed for a while, or at the next tick of the pool's clock, whatever the workers are doing.
//!
//! Whoever awaits a single call is no reader in this sense and is woken at once, as is everybody by other threads.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::task::AtomicWaker;

use crate::foreign::wake_for;

/// A wake for one answer is owed for so long, and the answer is close to the last wake if it comes within this time.
const OWED_FOR: Duration = Duration::from_micros(200);

/// For many answers it is longer than a worker takes for the next batch, at the end of which the reader is woken anyway.
const OWED_FOR_MANY: Duration = Duration::from_micros(600);

thread_local! {
    /// Those of the pool whose worker has this thread.
    static OF_THIS_WORKER: RefCell<Option<Arc<OwedWakes>>> = const { RefCell::new(None) };
}

/// The wakes that the workers of a pool owe.
#[derive(Default)]
pub(crate) struct OwedWakes {
    is_any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    owed: Vec<Arc<AtomicWaker>>,
    /// When somebody has been owed it for long enough, who may have been woken since.
    due: Option<Instant>,
    /// When anybody was woken the last time, by a worker or by the clock. Answers soon after it are close to others.
    paid: Option<Instant>,
}

/// What a wake is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// One. The next may come at any moment, or not for a long time.
    One,
    /// Many, of calls so short that it matters how often a worker wakes somebody.
    Many,
}

/// Has the wakes that are asked for on this thread owed, until it is dropped.
pub(crate) struct OnThisThread(Arc<OwedWakes>);

/// Wakes a reader in time to hear of answers.
pub(crate) fn wake_in_time(reader: &Arc<AtomicWaker>, answers: Answers) {
    match of_this_worker() {
        Some(owed) => owed.owe(reader, answers, Instant::now()),
        None => wake(reader),
    }
}

/// Wakes a reader at once, whom this thread's worker owes nothing then.
pub(crate) fn wake_now(reader: &Arc<AtomicWaker>) {
    match of_this_worker() {
        Some(owed) => owed.pay_one(owed.state(), reader, Instant::now()),
        None => wake(reader),
    }
}

/// Whoever is woken may come back here.
fn wake(reader: &AtomicWaker) {
    wake_for("answers", || reader.wake());
}

fn of_this_worker() -> Option<Arc<OwedWakes>> {
    OF_THIS_WORKER.try_with(|owed| owed.borrow().clone()).ok().flatten()
}

impl OwedWakes {
    pub(crate) fn on_this_thread(self: &Arc<Self>) -> OnThisThread {
        OF_THIS_WORKER.set(Some(self.clone()));
        OnThisThread(self.clone())
    }

    fn owe(&self, reader: &Arc<AtomicWaker>, answers: Answers, now: Instant) {
        let mut state = self.state();
        let is_close = state.paid.is_some_and(|paid| now.saturating_duration_since(paid) < OWED_FOR);
        if answers == Answers::One && !is_close {
            return self.pay_one(state, reader, now);
        }
        if !state.owed.iter().any(|other| Arc::ptr_eq(other, reader)) {
            state.owed.push(reader.clone());
        }
        let due = now
            + match answers {
                Answers::One => OWED_FOR,
                Answers::Many => OWED_FOR_MANY,
            };
        state.due = Some(state.due.map_or(due, |earlier| earlier.min(due)));
        self.is_any.store(true, Ordering::Release);
    }

    /// Wakes one reader, and leaves what is owed to others.
    fn pay_one(&self, mut state: MutexGuard<'_, State>, reader: &Arc<AtomicWaker>, now: Instant) {
        state.paid = Some(now);
        state.owed.retain(|other| !Arc::ptr_eq(other, reader));
        if state.owed.is_empty() {
            state.due = None;
            self.is_any.store(false, Ordering::Release);
        }
        drop(state);
        wake(reader);
    }

    /// Wakes everybody if somebody's wake has been owed for long enough.
    pub(crate) fn pay_in_time(&self) {
        // Read first, because it is asked at every turn.
        if self.is_any.load(Ordering::Acquire) && self.is_due(Instant::now()) {
            self.pay();
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.state().due.is_some_and(|due| due <= now)
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
        (state.due, state.paid) = (None, Some(now));
        let owed = std::mem::take(&mut state.owed);
        drop(state);
        owed.iter().for_each(|reader| wake(reader));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Drop for OnThisThread {
    fn drop(&mut self) {
        // From now on this thread wakes everybody at once. It may have been the last that would have paid.
        OF_THIS_WORKER.set(None);
        self.0.pay();
    }
}

/// Somebody to be woken in tests.
#[cfg(test)]
pub(crate) mod sleeper {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    pub(crate) struct Sleeper(AtomicUsize);

    impl Wake for Sleeper {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Sleeper {
        pub(crate) fn times_woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }

        pub(crate) fn is_awake(&self) -> bool {
            self.times_woken() > 0
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::sleeper::Sleeper;
    use super::*;

    /// Somebody who falls asleep, and what wakes him.
    fn sleeper() -> (Arc<Sleeper>, Arc<AtomicWaker>) {
        let (sleeper, reader) = (Arc::<Sleeper>::default(), Arc::<AtomicWaker>::default());
        reader.register(&Waker::from(sleeper.clone()));
        (sleeper, reader)
    }

    #[test]
    fn the_first_of_close_answers_is_told_at_once_and_the_others_together_when_it_is_time() {
        let (owed, begin) = (OwedWakes::default(), Instant::now());
        let (first, reader) = sleeper();
        owed.owe(&reader, Answers::One, begin);
        assert!(first.is_awake() && !owed.is_due(begin + OWED_FOR * 2), "it owes nothing");
        let soon = begin + OWED_FOR / 2;
        let ((second, reader), (third, other_reader)) = (sleeper(), sleeper());
        owed.owe(&reader, Answers::One, soon);
        owed.owe(&other_reader, Answers::One, soon + OWED_FOR / 4);
        assert!(!second.is_awake() && !third.is_awake());
        assert!(!owed.is_due(soon + OWED_FOR / 2) && owed.is_due(soon + OWED_FOR));
        owed.pay_at(soon + OWED_FOR);
        assert!(second.is_awake() && third.is_awake() && !owed.is_due(soon + OWED_FOR * 2));
        let (much_later, reader) = sleeper();
        owed.owe(&reader, Answers::One, soon + OWED_FOR * 2);
        assert!(much_later.is_awake(), "answers are rare again");
    }

    #[test]
    fn for_many_answers_the_wake_is_owed_be_they_close_to_others_or_not() {
        let (owed, begin) = (OwedWakes::default(), Instant::now());
        let (sleeper, reader) = sleeper();
        owed.owe(&reader, Answers::Many, begin);
        assert!(!sleeper.is_awake() && !owed.is_due(begin + OWED_FOR) && owed.is_due(begin + OWED_FOR_MANY));
        owed.owe(&reader, Answers::Many, begin + OWED_FOR);
        assert!(owed.is_due(begin + OWED_FOR_MANY), "the first of them counts");
        owed.pay();
        assert!(sleeper.is_awake());
    }

    #[test]
    fn who_is_woken_at_once_is_owed_nothing_any_more() {
        let owed = Arc::<OwedWakes>::default();
        let _on_this_thread = owed.on_this_thread();
        let ((woken, reader), (other, other_reader)) = (sleeper(), sleeper());
        wake_in_time(&reader, Answers::Many);
        wake_in_time(&other_reader, Answers::Many);
        wake_now(&reader);
        assert!(woken.is_awake() && !other.is_awake());
        reader.register(&Waker::from(woken.clone()));
        owed.pay();
        assert!(woken.times_woken() == 1 && other.is_awake());
        let (third, reader) = sleeper();
        wake_now(&reader);
        reader.register(&Waker::from(third.clone()));
        wake_in_time(&reader, Answers::One);
        assert_eq!(third.times_woken(), 1, "an answer right after others is close to them");
        owed.pay();
        // One answer is told at once when none was told for long, and so are the many before it.
        let ((sleeper, reader), begin) = (sleeper(), Instant::now() + OWED_FOR * 2);
        owed.owe(&reader, Answers::Many, begin);
        owed.owe(&reader, Answers::One, begin);
        assert!(sleeper.is_awake() && !owed.is_any.load(Ordering::Relaxed));
    }

    #[test]
    fn a_waker_that_panics_costs_nobody_else_his_wake() {
        struct Panics;

        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("a waker of somebody's own");
            }
        }

        let owed = OwedWakes::default();
        let ((sleeper, reader), bad_reader) = (sleeper(), Arc::<AtomicWaker>::default());
        bad_reader.register(&Waker::from(Arc::new(Panics)));
        owed.owe(&bad_reader, Answers::Many, Instant::now());
        owed.owe(&reader, Answers::Many, Instant::now());
        owed.pay();
        assert!(sleeper.is_awake());
        bad_reader.register(&Waker::from(Arc::new(Panics)));
        wake_now(&bad_reader);
    }

    #[test]
    fn wakes_are_owed_on_the_threads_of_workers_alone_and_paid_at_the_end_of_one() {
        let owed = Arc::<OwedWakes>::default();
        let on_this_thread = owed.on_this_thread();
        let (sleeper_here, reader) = sleeper();
        wake_in_time(&reader, Answers::Many);
        let (sleeper_there, other_reader) = sleeper();
        std::thread::spawn(move || wake_in_time(&other_reader, Answers::Many)).join().expect("no panic");
        assert!(!sleeper_here.is_awake() && sleeper_there.is_awake());
        drop(on_this_thread);
        assert!(sleeper_here.is_awake());
        let (sleeper_after, reader) = sleeper();
        wake_in_time(&reader, Answers::Many);
        assert!(sleeper_after.is_awake());
    }
}
