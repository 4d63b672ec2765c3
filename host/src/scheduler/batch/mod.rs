//! Many short calls that go through a worker as one job: one hop for all of them, and one message back.
//!
//! A call of a batch is only a number until something about it matters to others. One that fails, waits, or computes
//! for long becomes a [`Call`] of its own there and then, with all that calls have: time limits, retries, blame,
//! withdrawal. So nothing of that is decided here, and a batch only ever holds calls that are over within moments.
//! When one of them takes its time, or all of them do, the rest do not wait: they go back to the queue, each by itself.

mod promotion;
mod telling;
mod desk;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use crate::bell::Bell;
use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::failure::Failure;
use crate::hold::Hold;
use crate::outcome::{Ending, Parcel};
use crate::reply::{Desk, Reply};
use crate::sandbox::invoke::{Invocation, Job, Which, Work};
use crate::scheduler::calls::{Call, CallRules, Scheduler};
use crate::scheduler::inbox::{Done, DoneCalls, Inbox, Promoted};
use crate::tally::calls::CountedAttempt;

/// What the desk of a batch calls the job as a whole, beside the numbers of its calls.
const WHOLE: u32 = u32::MAX;

/// The present call, where none runs.
const NOBODY: u32 = u32::MAX - 1;

/// What is asked for, many times over.
pub(crate) struct BatchOrder {
    pub(crate) task: Arc<str>,
    pub(crate) module: usize,
    pub(crate) invocation: Arc<dyn Invocation>,
    /// How much memory the input of each takes, in bytes.
    pub(crate) weights: Vec<usize>,
    /// Where their outcomes are put: empty [`Outcomes`](crate::outcome::Outcomes).
    pub(crate) outcomes: Parcel,
    /// The place of the first among the inputs; the others follow.
    pub(crate) first_index: usize,
    pub(crate) rules: CallRules,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Calls that travel together.
///
/// Aligned so that no two workers write to the same cache lines.
#[repr(align(128))]
pub(crate) struct Batch {
    me: Weak<Batch>,
    /// The id of the first call; those of the others follow.
    first: CallId,
    task: Arc<str>,
    module: usize,
    invocation: Arc<dyn Invocation>,
    /// How much memory the input of each call takes, in bytes.
    weights: Vec<usize>,
    first_index: usize,
    rules: CallRules,
    scheduler: Arc<Scheduler>,
    inbox: Arc<Inbox>,
    submitted: Instant,
    /// No more calls begin. Set under the lock, and read by those who must not wait for it.
    is_over: AtomicBool,
    /// The number of the call that runs.
    present: AtomicU32,
    /// For how long it has kept others from running, in microseconds.
    kept_others_us: AtomicU64,
    /// Whether it may have changed something outside its sandbox.
    had_effect: AtomicBool,
    /// The call that ran when it turned out that it takes its time.
    promoted: OnceLock<(u32, Arc<Call>)>,
    state: Mutex<State>,
}

struct State {
    /// The number of the call that begins next.
    next: u32,
    /// The present call runs, and is only a number yet.
    is_running: bool,
    /// When the present call began, or the last one ended.
    since: Instant,
    /// For how long the present call had waited by then, or the next has: kept, because it costs less than to find it out.
    waited: Duration,
    /// Who has the job.
    seated_with: Option<Arc<Bell>>,
    /// When the job began to run.
    begun: Option<Instant>,
    /// Where it runs, once it does.
    place: Option<RunningPlace>,
    done: Vec<Done>,
    /// How these ended; gone once it is over.
    outcomes: Option<Parcel>,
    permit: Option<OwnedSemaphorePermit>,
}

struct RunningPlace {
    worker: WorkerId,
    bell: Arc<Bell>,
    hold: Arc<Hold>,
    counted: CountedAttempt,
}

/// What is to be done once the state is free again.
#[derive(Default)]
struct Leftovers {
    /// Calls that have not begun, to be queued one by one.
    rest: Vec<Arc<Call>>,
    promoted: Vec<Promoted>,
    /// Why none of these can begin, if it is known that none can.
    not_started: Option<Failure>,
    /// Whether it is because calls took their time.
    is_dissolved: bool,
}

impl Scheduler {
    /// Queues calls as one job that the ledger has accepted under ids from `first` on.
    pub(crate) fn submit_batch(
        self: &Arc<Self>,
        first: CallId,
        order: BatchOrder,
        inbox: &Arc<Inbox>,
    ) -> Arc<Batch> {
        let now = Instant::now();
        let state = State {
            next: 0,
            is_running: false,
            since: now,
            waited: Duration::ZERO,
            seated_with: None,
            begun: None,
            place: None,
            done: Vec::with_capacity(order.weights.len()),
            outcomes: Some(order.outcomes),
            permit: order.permit,
        };
        let batch = Arc::new_cyclic(|me| Batch {
            me: me.clone(),
            first,
            task: order.task,
            module: order.module,
            invocation: order.invocation,
            weights: order.weights,
            first_index: order.first_index,
            rules: order.rules,
            scheduler: self.clone(),
            inbox: inbox.clone(),
            submitted: now,
            is_over: AtomicBool::new(false),
            present: AtomicU32::new(NOBODY),
            kept_others_us: AtomicU64::new(0),
            had_effect: AtomicBool::new(false),
            promoted: OnceLock::new(),
            state: Mutex::new(state),
        });
        // A pool that closes right now gives the job back; its reply then ends the batch.
        let _ = self.queue.push(batch.job());
        batch
    }
}

impl Batch {
    fn job(self: &Arc<Self>) -> Job {
        Job {
            attempt: self.attempt(0),
            module: self.module,
            company: Company::Shared,
            affinity: None,
            calls: self.weights.len(),
            work: Work { invocation: self.invocation.clone(), which: Which::Many(self.clone()) },
            reply: Reply::to(self.clone(), WHOLE),
        }
    }

    /// Returns true once no more of its calls begin.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Ends all calls that have not ended as cancelled.
    pub(crate) fn withdraw(&self) {
        let mut state = self.state();
        if self.is_over() {
            return;
        }
        let (seated_with, has_begun) = (state.seated_with.take(), state.begun.is_some());
        let running = self.promote_running(&mut state);
        self.is_over.store(true, Ordering::Release);
        let first_left = std::mem::replace(&mut state.next, self.len());
        let done = self.take_done(&mut state);
        let permit = state.permit.take();
        drop(state);
        drop(permit);
        self.tell_cancelled(first_left);
        let left = (self.len() - first_left) as usize;
        self.scheduler.ledger.answered(left + done.calls.len());
        if let Some(promoted) = running {
            // This withdraws it.
            drop(promoted);
        } else if let Some(worker) = seated_with {
            worker.withdraw(self.attempt(0));
        }
        if !has_begun {
            self.scheduler.queue.note_withdrawn();
        }
    }

    /// Makes the call that runs a call of its own, and has the rest queued one by one.
    fn dissolve(&self, mut state: MutexGuard<'_, State>) {
        let mut leftovers = Leftovers { is_dissolved: true, ..Leftovers::default() };
        leftovers.promoted.extend(self.promote_running(&mut state));
        self.close(state, leftovers);
    }

    /// Begins no more calls, and delivers what is known of all of them.
    fn close(&self, mut state: MutexGuard<'_, State>, mut leftovers: Leftovers) {
        self.is_over.store(true, Ordering::Release);
        for number in state.next..self.len() {
            let promoted = self.make_call(&mut state, number, None);
            leftovers.rest.push(promoted.call().clone());
            leftovers.promoted.push(promoted);
        }
        state.next = self.len();
        let done = self.take_done(&mut state);
        let mut permit = state.permit.take();
        if state.is_running {
            // Its sandbox is gone, and how it ended is about to be told.
            state.permit = permit.as_mut().and_then(|permit| permit.split(1));
        }
        drop(state);
        drop(permit);
        self.scheduler.ledger.answered(done.calls.len());
        let is_dissolved = leftovers.is_dissolved;
        self.inbox.deliver(Some(done), leftovers.promoted, is_dissolved);
        for call in leftovers.rest.into_iter().rev() {
            match &leftovers.not_started {
                None => call.queue_up_first(),
                Some(failure) => call.ended(1, Ending::Failed(failure.clone())),
            }
        }
    }

    /// Notes that the call that ran is over, for all that the batch has to do with it.
    fn note_ended(&self, state: &mut State) {
        self.present.store(NOBODY, Ordering::Release);
        state.is_running = false;
        if self.is_over() {
            state.place = None;
        }
    }

    /// Returns true if a call runs and is only a number yet.
    fn is_mere_number(&self, state: &State, number: u32) -> bool {
        state.is_running && self.present.load(Ordering::Relaxed) == number
    }

    /// Takes the calls that ended as mere numbers, once it is over, and notes in the tally how they did. Where they ran is
    /// forgotten with the last of them.
    fn take_done(&self, state: &mut State) -> DoneCalls {
        let calls = std::mem::take(&mut state.done);
        let outcomes = state.outcomes.take().expect("a batch is over once");
        if let Some(place) = &state.place {
            let ends = calls.iter().map(|done| (done.failure(), done.waiting(), done.running()));
            place.counted.shard().count_all_answered(ends);
        }
        if !state.is_running {
            state.place = None;
        }
        DoneCalls { first: self.first, first_index: self.first_index, calls, outcomes }
    }

    fn len(&self) -> u32 {
        u32::try_from(self.weights.len()).expect("a batch is small")
    }

    fn attempt(&self, number: u32) -> AttemptId {
        AttemptId { call: CallId(self.first.get() + u64::from(number)), attempt: 1 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    /// Returns for how long the call that ends now had waited, and how long it ran. The next has waited that much longer.
    fn end_present(&mut self, now: Instant) -> (Duration, Duration) {
        let (waiting, running) = (self.waited, now - std::mem::replace(&mut self.since, now));
        self.waited += running;
        (waiting, running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_batch_has_waited_for_those_before_it() {
        let begun = Instant::now();
        let ms = Duration::from_millis;
        let mut state = State {
            next: 0,
            is_running: true,
            since: begun,
            waited: ms(7),
            seated_with: None,
            begun: Some(begun),
            place: None,
            done: Vec::new(),
            outcomes: None,
            permit: None,
        };
        assert_eq!(state.end_present(begun + ms(2)), (ms(7), ms(2)));
        assert_eq!(state.end_present(begun + ms(5)), (ms(9), ms(3)));
        let done = Done::new(1, 0, false, ms(9), ms(3));
        assert_eq!((done.waiting(), done.running()), (ms(9), ms(3)));
    }
}
