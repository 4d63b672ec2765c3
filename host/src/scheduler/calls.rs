//! One call from its submission on. How it ends is in `ending`, where what was lost to others is run again; what failed by
//! itself is for `retrying` to judge. Nobody else gives out attempts.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::event::{Event, Teller};
use crate::failure::Failure;
use crate::lifespan::RerunRule;
use crate::patience::{Taken, Terms};
use crate::queues::Queues;
use crate::reply::Reply;
use crate::sandbox::invoke::{Invocation, Job, Queue, Which, Work};
use crate::scheduler::ledger::Ledger;
use crate::scheduler::progress::{Progress, Settlement};
use crate::scheduler::setback::RetryRule;
use crate::scheduler::watchdog::{Watchdog, Watched};
use crate::spans::CallSpan;
use crate::tally::Tally;

/// What calls need of their pool.
pub(crate) struct Scheduler {
    pub(crate) queue: Arc<Queue>,
    pub(crate) ledger: Ledger,
    /// As many calls as the pool takes before `call` waits and `try_call` refuses.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) teller: Teller,
    pub(crate) tally: Arc<Tally>,
    pub(crate) watchdog: Watchdog<dyn Watched>,
    pub(crate) queues: Arc<Queues>,
    /// How many calls can run at once.
    pub(crate) slots: usize,
}

/// What holds for a call from its submission to its end.
#[derive(Clone)]
pub(crate) struct CallRules {
    pub(crate) terms: Terms,
    pub(crate) retry: Arc<RetryRule>,
    pub(crate) rerun: RerunRule,
    /// Whether its attempts may change something outside their sandbox without anybody seeing it.
    pub(crate) has_unseen_effects: bool,
}

/// What is asked for.
pub(crate) struct Order {
    pub(crate) task: Arc<str>,
    pub(crate) module: usize,
    /// Some calls, of which this is one.
    pub(crate) invocation: Arc<dyn Invocation>,
    /// Its number among them.
    pub(crate) number: usize,
    /// Calls of the same number go to the same sandbox while it lives.
    pub(crate) affinity: Option<u64>,
    pub(crate) rules: CallRules,
}

/// A call that has been accepted; outlives its attempts.
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(super) me: Weak<Call>,
    pub(super) task: Arc<str>,
    module: usize,
    /// Some calls, of which this is one. It keeps what the others were called with, too.
    invocation: Arc<dyn Invocation>,
    number: usize,
    affinity: Option<u64>,
    pub(super) rules: CallRules,
    pub(super) scheduler: Arc<Scheduler>,
    /// The number of the attempt that somebody awaits; 0 once the call is settled.
    pub(super) present: AtomicU32,
    /// The number of the attempt that has used up its time; 0 for none.
    pub(super) out_of_time: AtomicU32,
    /// Which look of the watchdog counts.
    pub(super) turn: AtomicU32,
    /// For how long the present attempt has kept others from running, in microseconds.
    pub(super) kept_others_us: AtomicU64,
    /// Whether the present attempt may have changed something outside its sandbox.
    pub(super) had_effect: AtomicBool,
    progress: Mutex<Progress>,
}

impl Scheduler {
    /// Queues the first attempt of a call that the ledger has accepted. Its permit is given back when it is answered; it goes
    /// without when there is none left.
    pub(crate) fn submit(
        self: &Arc<Self>,
        id: CallId,
        order: Order,
        permit: Option<OwnedSemaphorePermit>,
        span: CallSpan,
    ) -> (Arc<Call>, oneshot::Receiver<Settlement>) {
        let (caller, receiver) = oneshot::channel();
        let now = Instant::now();
        let progress = Progress::new(now, caller, permit, span);
        let call = self.make_call(id, order, progress);
        call.watch_from_beginning(&call.progress(), now);
        // A pool that closes right now gives the job back; its reply then settles the call.
        let _ = self.queue.push(call.next_job(1, Company::Shared));
        (call, receiver)
    }

    /// Makes a call that the ledger has accepted.
    pub(super) fn make_call(self: &Arc<Self>, id: CallId, order: Order, progress: Progress) -> Arc<Call> {
        Arc::new_cyclic(|me| Call {
            id,
            me: me.clone(),
            task: order.task,
            module: order.module,
            invocation: order.invocation,
            number: order.number,
            affinity: order.affinity,
            rules: order.rules,
            scheduler: self.clone(),
            present: AtomicU32::new(1),
            out_of_time: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            kept_others_us: AtomicU64::new(0),
            had_effect: AtomicBool::new(false),
            progress: Mutex::new(progress),
        })
    }

    /// Ends a call that the ledger has accepted, but whose arguments do not fit, before it is queued.
    pub(crate) fn refuse(&self, call: CallId, task: &Arc<str>, failure: &Failure, span: CallSpan) {
        self.teller.tell(|| Event::CallEnded {
            call,
            task: task.clone(),
            failure: Some(failure.kind()),
            attempts: 0,
            waiting: Duration::ZERO,
            running: Duration::ZERO,
        });
        self.tally.count_refused(failure.kind());
        span.end(0, Some(failure.kind()));
        self.ledger.answered(1);
    }
}

impl Call {
    /// Queues the first attempt before all others, for a call whose batch had its turn.
    pub(super) fn queue_up_first(self: &Arc<Self>) {
        self.watch_now();
        // As ever, a pool that closes right now gives the job back.
        let _ = self.scheduler.queue.push_front(self.next_job(1, Company::Shared));
    }

    /// Has the watchdog look when something may be due.
    pub(super) fn watch_now(&self) {
        self.watch(&self.progress(), Instant::now());
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.present.load(Ordering::Acquire) == 0
    }

    pub(super) fn next_job(self: &Arc<Self>, attempt: u32, company: Company) -> Job {
        Job {
            attempt: AttemptId { call: self.id, attempt },
            module: self.module,
            company,
            affinity: self.affinity,
            calls: 1,
            work: Work { invocation: self.invocation.clone(), which: Which::One(self.number) },
            reply: Reply::to(self.clone(), attempt),
        }
    }

    /// Keeps the span of an attempt that has begun with it, unless it has been withdrawn in the meantime.
    pub(super) fn begin_attempt_span(&self, call: &CallSpan, attempt: u32, worker: WorkerId) {
        let Some(span) = call.begin_attempt(attempt, worker) else { return };
        if let Some(running) = &mut self.progress().running_attempt {
            running.span = Some(span);
        }
    }

    /// Returns how long the call has taken until `now`.
    pub(super) fn taken(&self, progress: &Progress, now: Instant) -> Taken {
        let kept_others = Duration::from_micros(self.kept_others_us.load(Ordering::Relaxed));
        let waited = self.scheduler.queues.waited_by(self.attempt(progress.present_attempt()));
        progress.taken(self.id, now, kept_others, waited)
    }

    /// Returns the id of one of the call's attempts.
    pub(super) fn attempt(&self, number: u32) -> AttemptId {
        AttemptId { call: self.id, attempt: number }
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no holder of this lock panics")
    }
}
