//! Where calls that travel in batches come back to whoever asked for them, many at a time; and where he is woken from for
//! calls that go by themselves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Wake};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::call::CallId;
use crate::outcome::Parcel;
use crate::scheduler::calls::Call;
use crate::scheduler::progress::Settlement;
use crate::wakes::{Answers, wake_in_time, wake_now};

/// For so many batches the reader is woken at once. Until then it is owed.
const BATCHES_TO_WAKE_FOR: usize = 2;

/// Where calls of batches come back to.
#[derive(Default)]
pub(crate) struct Inbox {
    letters: Mutex<Letters>,
    has_news: AtomicBool,
    /// Shared with workers that owe it to wake the reader.
    reader: Arc<AtomicWaker>,
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
    /// How they ended, in the same order: [`Outcomes`](crate::outcome::Outcomes).
    pub(crate) outcomes: Parcel,
}

/// A call of a batch that ended within it. It is small, because it goes from one processor to another.
pub(crate) struct Done {
    pub(crate) number: u32,
    /// Whether the task returned an error.
    pub(crate) is_error: bool,
    /// How much memory its input takes, in bytes.
    pub(crate) weight: usize,
    waiting_ns: u64,
    running_ns: u64,
}

/// A call of a batch that has become a call of its own; withdrawn if nobody takes it over.
pub(crate) struct Promoted {
    pub(crate) index: usize,
    pub(crate) weight: usize,
    call: Arc<Call>,
    settlement: Option<oneshot::Receiver<Settlement>>,
}

impl Done {
    pub(crate) fn new(
        number: u32,
        weight: usize,
        is_error: bool,
        waiting: Duration,
        running: Duration,
    ) -> Self {
        Done { number, is_error, weight, waiting_ns: in_ns(waiting), running_ns: in_ns(running) }
    }

    pub(crate) fn waiting(&self) -> Duration {
        Duration::from_nanos(self.waiting_ns)
    }

    pub(crate) fn running(&self) -> Duration {
        Duration::from_nanos(self.running_ns)
    }

    /// Returns the kind of its failure.
    pub(super) fn failure(&self) -> Option<&'static str> {
        self.is_error.then_some("task-error")
    }
}

/// Returns a time in nanoseconds, of which 64 bits hold five centuries.
fn in_ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
    /// Puts in what has come back, and has the reader woken.
    pub(super) fn deliver(&self, done: Option<DoneCalls>, mut promoted: Vec<Promoted>, is_dissolved: bool) {
        let mut letters = self.letters();
        if letters.is_closed {
            // Outside the lock: those are withdrawn, and what they hold is somebody's own.
            drop(letters);
            return;
        }
        letters.done.extend(done);
        let has_time = letters.done.len() < BATCHES_TO_WAKE_FOR && promoted.is_empty() && !is_dissolved;
        letters.promoted.append(&mut promoted);
        letters.dissolved += u32::from(is_dissolved);
        self.has_news.store(true, Ordering::Release);
        drop(letters);
        match has_time {
            true => wake_in_time(&self.reader, Answers::Many),
            false => wake_now(&self.reader),
        }
    }

    /// Has the reader woken when something comes.
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        self.reader.register(cx.waker());
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

/// Calls that go by themselves wake who reads by way of this, as does the collection that they are polled in.
impl Wake for Inbox {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        wake_in_time(&self.reader, Answers::One);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::wakes::OwedWakes;
    use crate::wakes::sleeper::Sleeper;

    /// Has somebody fall asleep over an inbox.
    fn sleeper_over(inbox: &Inbox) -> Arc<Sleeper> {
        let sleeper = Arc::<Sleeper>::default();
        inbox.listen(&Context::from_waker(&Waker::from(sleeper.clone())));
        sleeper
    }

    fn batch() -> Option<DoneCalls> {
        let outcomes = Box::new(Vec::<()>::new());
        Some(DoneCalls { first: CallId(1), first_index: 0, calls: Vec::new(), outcomes })
    }

    #[test]
    fn the_reader_sleeps_over_the_first_of_two_batches_of_a_worker() {
        let owed = Arc::<OwedWakes>::default();
        let _worker = owed.on_this_thread();
        let inbox = Inbox::default();
        let sleeper = sleeper_over(&inbox);
        inbox.deliver(batch(), Vec::new(), false);
        assert!(!sleeper.is_awake() && inbox.has_news());
        inbox.deliver(batch(), Vec::new(), false);
        assert!(sleeper.is_awake());
        assert_eq!(inbox.take().done.len(), 2);
    }

    #[test]
    fn he_is_woken_if_the_worker_has_nothing_else_to_do_and_at_once_if_a_batch_did_not_end_as_such() {
        let owed = Arc::<OwedWakes>::default();
        let _worker = owed.on_this_thread();
        let inbox = Inbox::default();
        let sleeper = sleeper_over(&inbox);
        inbox.deliver(batch(), Vec::new(), false);
        owed.pay();
        assert!(sleeper.is_awake());
        inbox.take();
        let sleeper = sleeper_over(&inbox);
        inbox.deliver(batch(), Vec::new(), true);
        assert!(sleeper.is_awake());
    }

    #[test]
    fn calls_that_go_by_themselves_wake_him_too() {
        let owed = Arc::<OwedWakes>::default();
        let _worker = owed.on_this_thread();
        let inbox = Arc::<Inbox>::default();
        let waker = Waker::from(inbox.clone());
        let sleeper = sleeper_over(&inbox);
        waker.wake_by_ref();
        assert!(sleeper.is_awake());
    }

    #[test]
    fn who_has_gone_is_not_woken() {
        let inbox = Inbox::default();
        let sleeper = sleeper_over(&inbox);
        inbox.close();
        inbox.deliver(batch(), Vec::new(), false);
        assert!(!sleeper.is_awake() && !inbox.has_news());
    }
}
