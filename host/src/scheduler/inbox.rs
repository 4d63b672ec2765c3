//! Where calls that travel in batches come back to whoever asked for them, many at a time.
//!
//! To wake a reader who sleeps takes a worker as long as many a call of a batch. So he is woken for every other batch
//! only that ends as such, while there is another that waits for a worker; should that not come back soon, the watchdog
//! wakes him.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Context;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::call::CallId;
use crate::outcome::Parcel;
use crate::scheduler::calls::Call;
use crate::scheduler::progress::Settlement;
use crate::scheduler::watchdog::Watched;

/// For so many batches the reader is woken at once.
const BATCHES_TO_WAKE_FOR: usize = 2;

/// Where calls of batches come back to.
#[derive(Default)]
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    has_news: AtomicBool,
    /// How many batches wait for a worker.
    batches_queued: AtomicUsize,
    waker: AtomicWaker,
}

/// Whether whoever reads an inbox has heard of what was put in, or need not because nobody reads any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the reader may have to be woken"]
pub(super) enum Reader {
    Knows,
    ToBeWoken,
}

/// What has come back.
#[derive(Default)]
pub(crate) struct Letters {
    pub(crate) done: Vec<DoneCalls>,
    pub(crate) promoted: Vec<Promoted>,
    /// How many batches did not end as such, because their calls took their time.
    pub(crate) dissolved: u32,
    /// Nobody reads any more.
    is_closed: bool,
}

/// Calls of a batch that ended within it.
pub(crate) struct DoneCalls {
    /// The id of the batch's first call; those of the others follow.
    pub(crate) first: CallId,
    /// The place of the first call's input; those of the others follow.
    pub(crate) first_index: usize,
    /// In the order of their numbers, of which some may be missing.
    pub(crate) calls: Vec<Done>,
    /// How they ended, in the same order: a `Vec<Outcome<Out, E>>`.
    pub(crate) outcomes: Parcel,
}

/// A call of a batch that ended within it.
pub(crate) struct Done {
    pub(crate) number: u32,
    /// How much memory its input takes, in bytes.
    pub(crate) weight: usize,
    /// Whether the task returned an error.
    pub(crate) is_error: bool,
    pub(crate) waiting: Duration,
    pub(crate) running: Duration,
}

/// A call of a batch that has become a call of its own; withdrawn if nobody takes it over.
pub(crate) struct Promoted {
    pub(crate) index: usize,
    pub(crate) weight: usize,
    call: Arc<Call>,
    settlement: Option<oneshot::Receiver<Settlement>>,
}

impl Done {
    /// Returns the kind of its failure.
    pub(super) fn failure(&self) -> Option<&'static str> {
        self.is_error.then_some("task-error")
    }
}

impl Promoted {
    pub(super) fn new(
        index: usize,
        weight: usize,
        call: Arc<Call>,
        settlement: oneshot::Receiver<Settlement>,
    ) -> Self {
        Promoted { index, weight, call, settlement: Some(settlement) }
    }

    pub(super) fn call(&self) -> &Arc<Call> {
        &self.call
    }

    /// Takes it over.
    pub(crate) fn take(mut self) -> (Arc<Call>, oneshot::Receiver<Settlement>) {
        (self.call.clone(), self.settlement.take().expect("it is taken over once"))
    }
}

impl Drop for Promoted {
    fn drop(&mut self) {
        if self.settlement.is_some() {
            self.call.withdraw();
        }
    }
}

impl Inbox {
    /// Puts in what has come back. Whoever waits for it is woken, or is to be looked after in a moment.
    pub(super) fn deliver(
        &self,
        done: Option<DoneCalls>,
        mut promoted: Vec<Promoted>,
        is_dissolved: bool,
    ) -> Reader {
        let mut letters = self.letters();
        if letters.is_closed {
            // Outside the lock: those are withdrawn, and what they hold is somebody's own.
            drop(letters);
            return Reader::Knows;
        }
        letters.done.extend(done);
        letters.promoted.append(&mut promoted);
        letters.dissolved += u32::from(is_dissolved);
        self.has_news.store(true, Ordering::Release);
        let has_time =
            letters.done.len() < BATCHES_TO_WAKE_FOR && letters.promoted.is_empty() && !is_dissolved;
        drop(letters);
        if has_time && self.batches_queued.load(Ordering::Acquire) > 0 {
            return Reader::ToBeWoken;
        }
        self.waker.wake();
        Reader::Knows
    }

    /// Notes that a batch begins to wait for a worker.
    pub(super) fn note_queued(&self) {
        self.batches_queued.fetch_add(1, Ordering::AcqRel);
    }

    /// Notes that it waits no longer.
    pub(super) fn note_not_queued(&self) {
        self.batches_queued.fetch_sub(1, Ordering::AcqRel);
    }

    /// Has the reader woken when something comes.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    pub(crate) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// Takes what has come since the last time.
    pub(crate) fn take(&self) -> Letters {
        let mut letters = self.letters();
        self.has_news.store(false, Ordering::Release);
        std::mem::take(&mut *letters)
    }

    /// Takes nothing in any more.
    pub(crate) fn close(&self) {
        let closed = Letters { is_closed: true, ..Letters::default() };
        let left = std::mem::replace(&mut *self.letters(), closed);
        drop(left);
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().expect("no holder of this lock panics")
    }
}

impl Watched for Inbox {
    fn is_worth_a_look(&self, _: u32) -> bool {
        self.has_news()
    }

    fn look(self: Arc<Self>, _: u32) -> Option<Duration> {
        if self.has_news() {
            self.waker.wake();
        }
        None
    }
}

#[cfg(test)]
mod tests {
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

    impl Sleeper {
        /// Falls asleep over an inbox, while so many more batches begin to wait for a worker.
        fn over(inbox: &Inbox, batches_queued: usize) -> Arc<Self> {
            let sleeper = Arc::new(Sleeper::default());
            inbox.listen(&Context::from_waker(&Waker::from(sleeper.clone())));
            (0..batches_queued).for_each(|_| inbox.note_queued());
            sleeper
        }

        fn is_awake(&self) -> bool {
            self.0.load(Ordering::Relaxed) > 0
        }
    }

    fn batch() -> Option<DoneCalls> {
        let outcomes = Box::new(Vec::<()>::new());
        Some(DoneCalls { first: CallId(1), first_index: 0, calls: Vec::new(), outcomes })
    }

    #[test]
    fn the_reader_sleeps_over_the_first_of_two_batches() {
        let inbox = Inbox::default();
        let sleeper = Sleeper::over(&inbox, 1);
        assert_eq!(inbox.deliver(batch(), Vec::new(), false), Reader::ToBeWoken);
        assert!(!sleeper.is_awake() && inbox.has_news());
        assert_eq!(inbox.deliver(batch(), Vec::new(), false), Reader::Knows);
        assert!(sleeper.is_awake());
        assert_eq!(inbox.take().done.len(), 2);
    }

    #[test]
    fn he_is_woken_at_once_if_none_waits_for_a_worker_or_one_did_not_end_as_such() {
        let inbox = Inbox::default();
        let sleeper = Sleeper::over(&inbox, 1);
        inbox.note_not_queued();
        assert_eq!(inbox.deliver(batch(), Vec::new(), false), Reader::Knows);
        assert!(sleeper.is_awake(), "it was the last");
        inbox.take();
        let sleeper = Sleeper::over(&inbox, 1);
        assert_eq!(inbox.deliver(batch(), Vec::new(), true), Reader::Knows);
        assert!(sleeper.is_awake());
    }

    #[test]
    fn the_watchdog_wakes_him_over_news_alone() {
        let inbox = Arc::new(Inbox::default());
        let sleeper = Sleeper::over(&inbox, 1);
        assert_eq!((inbox.is_worth_a_look(0), inbox.clone().look(0)), (false, None));
        assert!(!sleeper.is_awake());
        assert_eq!(inbox.deliver(batch(), Vec::new(), false), Reader::ToBeWoken);
        assert_eq!((inbox.is_worth_a_look(0), inbox.clone().look(0)), (true, None));
        assert!(sleeper.is_awake());
    }

    #[test]
    fn who_has_gone_is_not_looked_after() {
        let inbox = Inbox::default();
        let sleeper = Sleeper::over(&inbox, 1);
        inbox.close();
        assert_eq!(inbox.deliver(batch(), Vec::new(), false), Reader::Knows);
        assert!(!sleeper.is_awake() && !inbox.has_news());
    }
}
