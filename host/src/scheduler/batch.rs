//! Many short calls that go through a worker as one job: one hop for all of them, and one message back.
//!
//! A call of a batch is only a number until something about it matters to others. One that fails, waits, or computes
//! for long becomes a [`Call`] of its own there and then, with all that calls have: time limits, retries, blame,
//! withdrawal. So nothing of that is decided here, and a batch only ever holds calls that are over within moments.
//! When one of them takes its time the rest do not wait for it: they go back to the queue, each by itself.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::bell::Bell;
use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::event::Event;
use crate::failure::Failure;
use crate::hold::Hold;
use crate::outcome::Ending;
use crate::reply::{Desk, Reply, Standing, Surroundings};
use crate::sandbox::engine::TICK;
use crate::sandbox::invoke::{Invocation, Job, Work};
use crate::sandbox::run::{Calls, Next};
use crate::scheduler::calls::{Call, CallRules, Order, Scheduler};
use crate::scheduler::inbox::{Done, Inbox, Promoted};
use crate::scheduler::progress::{Progress, RunningAttempt, SettledEnd};
use crate::scheduler::watchdog::Watched;
use crate::spans::CallSpan;
use crate::tally::calls::CountedAttempt;

/// What the desk of a batch calls the job as a whole, beside the numbers of its calls.
const WHOLE: u32 = u32::MAX;

/// The present call, where none runs.
const NOBODY: u32 = u32::MAX - 1;

/// One call of a batch.
pub(crate) struct Item {
    pub(crate) work: Arc<dyn Invocation>,
    /// How much memory its input takes, in bytes.
    pub(crate) weight: usize,
}

/// What is asked for, many times over.
pub(crate) struct BatchOrder {
    pub(crate) task: Arc<str>,
    pub(crate) module: usize,
    pub(crate) items: Vec<Item>,
    /// The place of the first among the inputs; the others follow.
    pub(crate) first_index: usize,
    pub(crate) rules: CallRules,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

/// Calls that travel together.
pub(crate) struct Batch {
    me: Weak<Batch>,
    /// The id of the first call; those of the others follow.
    first: CallId,
    task: Arc<str>,
    module: usize,
    items: Vec<Item>,
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
    /// Who has the job.
    seated_with: Option<Arc<Bell>>,
    /// Where it runs, once it does.
    place: Option<RunningPlace>,
    done: Vec<Done>,
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
            seated_with: None,
            place: None,
            done: Vec::with_capacity(order.items.len()),
            permit: order.permit,
        };
        let batch = Arc::new_cyclic(|me| Batch {
            me: me.clone(),
            first,
            task: order.task,
            module: order.module,
            items: order.items,
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
            calls: self.items.len(),
            work: Work::Many(self.clone()),
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
        let (seated_with, has_begun) = (state.seated_with.take(), state.place.is_some());
        let running = self.promote_running(&mut state);
        self.is_over.store(true, Ordering::Release);
        let left = self.len() - state.next;
        let done = self.take_done(&mut state);
        drop(state);
        for number in self.len() - left..self.len() {
            self.tell_cancelled(number);
        }
        self.scheduler.ledger.answered(done.len() + left as usize);
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
        let mut leftovers = Leftovers::default();
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
        drop(state.permit.take());
        drop(state);
        self.scheduler.ledger.answered(done.len());
        self.inbox.deliver(done, leftovers.promoted);
        for call in leftovers.rest.into_iter().rev() {
            call.queue_up_first();
        }
    }

    /// Makes the call that runs a call of its own, if one runs.
    fn promote_running(&self, state: &mut State) -> Option<Promoted> {
        if !state.is_running {
            return None;
        }
        // From now on the batch has nothing to do with it.
        let number = self.present.load(Ordering::Relaxed);
        let promoted = self.make_running_call(state, number);
        state.is_running = false;
        // Set once at most: no call begins after it.
        let _ = self.promoted.set((number, promoted.call().clone()));
        promoted.call().watch_now();
        Some(promoted)
    }

    /// Makes the call that runs a call of its own.
    fn make_running_call(&self, state: &mut State, number: u32) -> Promoted {
        let place = state.place.as_ref().expect("what runs does so somewhere");
        let surroundings = Surroundings { worker: place.worker, bell: &place.bell, hold: &place.hold };
        let counted = self.scheduler.tally.count_attempt(place.worker);
        let running = RunningAttempt::new(surroundings, counted, self.attempt(0));
        let promoted = self.make_call(state, number, Some(running));
        let call = promoted.call();
        call.kept_others_us.store(self.kept_others_us.load(Ordering::Relaxed), Ordering::Relaxed);
        call.had_effect.store(self.had_effect.load(Ordering::Acquire), Ordering::Release);
        promoted
    }

    fn make_call(&self, state: &mut State, number: u32, running: Option<RunningAttempt>) -> Promoted {
        let (caller, settlement) = oneshot::channel();
        let item = &self.items[number as usize];
        let permit = state.permit.as_mut().and_then(|permit| permit.split(1));
        let mut progress = Progress::since(self.submitted, caller);
        if let Some(running) = running {
            progress.begin_attempt(running, state.since);
        }
        let order = Order {
            task: self.task.clone(),
            module: self.module,
            work: item.work.clone(),
            affinity: None,
            rules: self.rules.clone(),
            permit,
            span: CallSpan::default(),
        };
        let call = self.scheduler.make_call(self.attempt(number).call, order, progress);
        let index = self.first_index + number as usize;
        Promoted::new(index, item.weight, call, settlement)
    }

    /// Notes that the call that ran is over, for all that the batch has to do with it.
    fn note_ended(&self, state: &mut State, now: Instant) {
        self.present.store(NOBODY, Ordering::Release);
        state.is_running = false;
        state.since = now;
    }

    /// Takes the calls that ended as mere numbers, and notes in the tally how they did. Where they ran is forgotten with
    /// the last of them.
    fn take_done(&self, state: &mut State) -> Vec<Done> {
        let done = std::mem::take(&mut state.done);
        if let Some(place) = &state.place {
            let ends = done.iter().map(|done| (done.failure(), done.waiting, done.running));
            place.counted.shard().count_all_answered(ends);
        }
        if !state.is_running {
            state.place = None;
        }
        done
    }

    fn tell_cancelled(&self, number: u32) {
        let failure = Failure::Cancelled.kind();
        self.scheduler.tally.count_refused(failure);
        self.scheduler.teller.tell(|| Event::CallEnded {
            call: self.attempt(number).call,
            task: self.task.clone(),
            failure: Some(failure),
            attempts: 0,
            waiting: self.submitted.elapsed(),
            running: Duration::ZERO,
        });
    }

    fn tell_ended(&self, number: u32, done: &Done) {
        let (attempt, failure) = (self.attempt(number), done.failure());
        let teller = &self.scheduler.teller;
        teller.tell(|| Event::AttemptEnded { attempt, failure, running: done.running });
        teller.tell(|| Event::CallEnded {
            call: attempt.call,
            task: self.task.clone(),
            failure,
            attempts: 1,
            waiting: done.waiting,
            running: done.running,
        });
    }

    fn len(&self) -> u32 {
        u32::try_from(self.items.len()).expect("a batch is small")
    }

    fn attempt(&self, number: u32) -> AttemptId {
        AttemptId { call: CallId(self.first.get() + u64::from(number)), attempt: 1 }
    }

    /// Returns the call of a number that has become one while it ran.
    fn promoted(&self, number: u32) -> Option<&Arc<Call>> {
        self.promoted.get().filter(|(promoted, _)| *promoted == number).map(|(_, call)| call)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Calls for Batch {
    fn next(self: Arc<Self>) -> Option<Next> {
        let mut state = self.state();
        let worker = state.place.as_ref()?.worker;
        let number = state.next;
        if self.is_over() || number == self.len() {
            return None;
        }
        state.next += 1;
        state.is_running = true;
        self.present.store(number, Ordering::Release);
        // Read first, because they are hardly ever set.
        if self.kept_others_us.load(Ordering::Relaxed) != 0 {
            self.kept_others_us.store(0, Ordering::Relaxed);
        }
        if self.had_effect.load(Ordering::Relaxed) != self.rules.has_unseen_effects {
            self.had_effect.store(self.rules.has_unseen_effects, Ordering::Release);
        }
        drop(state);
        let attempt = self.attempt(number);
        let started = || Event::AttemptStarted { attempt, task: self.task.clone(), worker };
        self.scheduler.teller.tell(started);
        let work = self.items[number as usize].work.clone();
        Some(Next { attempt, work, reply: Reply::to(self, number) })
    }
}

impl Desk for Batch {
    fn seated(&self, _: u32, bell: &Arc<Bell>) -> bool {
        let mut state = self.state();
        state.seated_with = Some(bell.clone());
        !self.is_over()
    }

    fn begun(&self, _: u32, surroundings: Surroundings<'_>) -> bool {
        let mut state = self.state();
        if self.is_over() {
            return false;
        }
        let Surroundings { worker, bell, hold } = surroundings;
        let counted = self.scheduler.tally.count_attempt(worker);
        state.place = Some(RunningPlace { worker, bell: bell.clone(), hold: hold.clone(), counted });
        state.since = Instant::now();
        drop(state);
        self.scheduler.watchdog.watch(self.first.get(), self.me.clone(), 0, TICK);
        true
    }

    fn standing(&self, number: u32) -> Standing {
        if number == WHOLE {
            return if self.is_over() { Standing::Unawaited } else { Standing::Awaited };
        }
        match self.promoted(number) {
            Some(call) => call.standing(1),
            None if self.present.load(Ordering::Acquire) == number => Standing::Awaited,
            None => Standing::Unawaited,
        }
    }

    fn kept_others_waiting(&self, number: u32, time: Duration) {
        // Under the lock, so that one who is promoted meanwhile takes it along.
        let _state = self.state();
        if let Some(call) = self.promoted(number) {
            return call.kept_others_waiting(1, time);
        }
        let time_us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.kept_others_us.fetch_add(time_us, Ordering::Relaxed);
    }

    fn had_effect(&self, number: u32) {
        let _state = self.state();
        match self.promoted(number) {
            Some(call) => call.had_effect(1),
            None => self.had_effect.store(true, Ordering::Release),
        }
    }

    fn stalled(&self, number: u32, reason: String) {
        self.waits();
        if let Some(call) = self.promoted(number) {
            call.stalled(1, reason);
        }
    }

    fn waits(&self) {
        let state = self.state();
        if !self.is_over() && state.is_running {
            self.dissolve(state);
        }
    }

    fn ended(self: Arc<Self>, number: u32, ending: Ending) {
        let mut state = self.state();
        if number == WHOLE {
            if !self.is_over() {
                self.close(state, Leftovers::default());
            }
            return;
        }
        if !state.is_running || self.present.load(Ordering::Relaxed) != number {
            drop(state);
            if let Some(call) = self.promoted(number) {
                call.clone().ended(1, ending);
            }
            return;
        }
        let end = match ending {
            Ending::Completed(output) => SettledEnd::Completed(output),
            Ending::Returned(error) if self.rules.retry.is_none() => SettledEnd::Returned(error),
            ending => {
                let promoted = self.make_running_call(&mut state, number);
                self.note_ended(&mut state, Instant::now());
                // Its sandbox may be gone, and the others with it.
                let done = if self.is_over() { self.take_done(&mut state) } else { Vec::new() };
                drop(state);
                let call = promoted.call().clone();
                self.scheduler.ledger.answered(done.len());
                self.inbox.deliver(done, vec![promoted]);
                call.ended(1, ending);
                return;
            }
        };
        let now = Instant::now();
        let done = Done {
            id: self.attempt(number).call,
            index: self.first_index + number as usize,
            weight: self.items[number as usize].weight,
            end,
            waiting: state.since - self.submitted,
            running: now - state.since,
        };
        self.note_ended(&mut state, now);
        if self.scheduler.teller.is_heard() {
            self.tell_ended(number, &done);
        }
        let went_well = done.failure().is_none();
        state.done.push(done);
        drop(state);
        self.scheduler.queues.attempt_ended(self.attempt(number), went_well);
    }
}

impl Watched for Batch {
    fn is_worth_a_look(&self, _: u32) -> bool {
        !self.is_over()
    }

    fn look(self: Arc<Self>, _: u32) -> Option<Duration> {
        let state = self.state();
        if self.is_over() {
            return None;
        }
        if state.is_running && state.since.elapsed() >= TICK {
            self.dissolve(state);
            return None;
        }
        Some(TICK)
    }
}
