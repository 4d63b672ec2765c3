//! One call from submit to report. What was lost to others is run again here; what failed by itself is for `retrying` to
//! judge. Nobody else gives out attempts.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::event::{Event, Teller};
use crate::failure::Failure;
use crate::lifespan::{self, Rerun, RerunRule};
use crate::outcome::Interruption;
use crate::patience::{Taken, Terms};
use crate::queues::Queues;
use crate::reply::Reply;
use crate::sandbox::invoke::{Invocation, Job, Queue, Which, Work};
use crate::scheduler::ledger::Ledger;
use crate::scheduler::progress::{Progress, RunningAttempt, SettledEnd, Settlement};
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

    /// Ends the call for the caller at once, whatever its attempt is doing.
    pub(crate) fn withdraw(&self) {
        self.give_up(self.progress(), Failure::Cancelled);
    }

    /// Ends the call for the caller, and has its worker told.
    pub(super) fn give_up(&self, mut progress: MutexGuard<'_, Progress>, failure: Failure) {
        if progress.caller.is_none() {
            return;
        }
        let number = progress.present_attempt();
        if matches!(failure, Failure::TimedOut(_)) {
            // Before anybody can see that it is not awaited: what computes on is stopped at once then.
            self.out_of_time.store(number, Ordering::Release);
        }
        let attempt = self.end_attempt(&mut progress, Some(failure.kind()));
        progress.attempts += u32::from(attempt.is_some());
        let worker = attempt.as_ref().map(|attempt| (attempt.worker.clone(), attempt.known_as));
        let has_begun = worker.is_some();
        // One that waits may do so in the queue or with a worker, or have gone from one to the other just now.
        let seated = || Some((progress.seated_with.take()?, self.attempt(number)));
        let worker = worker.or_else(seated);
        self.settle(progress, attempt, SettledEnd::Failed(failure));
        if let Some((worker, known_as)) = worker {
            worker.withdraw(known_as);
        }
        if !has_begun {
            self.scheduler.queue.note_withdrawn();
        }
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

    /// Runs the call again after its attempt was lost, or tells the caller that it will not be.
    pub(super) fn interrupted(
        self: &Arc<Self>,
        mut progress: MutexGuard<'_, Progress>,
        attempt: Option<RunningAttempt>,
        by: &Interruption,
    ) {
        let interruptions = progress.interruptions + 1;
        // What has not begun has done nothing.
        let effects = attempt.is_some() && self.had_effect.load(Ordering::Acquire);
        let rerun = match attempt.is_none() || self.rules.rerun.allows(effects) {
            true => lifespan::after_interruption(interruptions, progress.company, by),
            false => Rerun::GiveUp,
        };
        let Rerun::Again(company) = rerun else {
            progress.interruptions = interruptions;
            let failure = Failure::Interrupted { reason: by.to_string(), effects };
            return self.settle(progress, attempt, SettledEnd::Failed(failure));
        };
        let number = progress.attempts + interruptions + 1;
        // From now on the lost attempt has nothing to say.
        let lost = self.present.swap(number, Ordering::AcqRel);
        // No worker gets at the call before this lock is free, so what is noted and told here comes first.
        if let Err(job) = self.scheduler.queue.push_front(self.next_job(number, company)) {
            // The pool ends, and that is what ended the attempt: nobody else's doing, and not to be counted as such.
            progress.attempts += u32::from(attempt.is_some());
            self.settle(progress, attempt, SettledEnd::Failed(Failure::Cancelled));
            self.scheduler.queues.attempt_ended(self.attempt(lost), false);
            // The job's reply comes back to this call, which must not be locked then.
            drop(job);
            return;
        }
        progress.interruptions = interruptions;
        progress.company = company;
        self.scheduler.teller.tell(|| Event::RunAgain {
            call: self.id,
            reason: by.to_string(),
            alone: company == Company::Alone,
        });
        self.scheduler.tally.count_run_again();
        self.watch(&progress, Instant::now());
        drop(progress);
        self.scheduler.queues.attempt_ended(self.attempt(lost), false);
        if let Some(attempt) = attempt {
            attempt.end(Some("interrupted"));
        }
    }

    /// Notes that the present attempt is over, whether or not it had begun, and returns it if it had.
    pub(super) fn end_attempt(
        &self,
        progress: &mut Progress,
        failure: Option<&'static str>,
    ) -> Option<RunningAttempt> {
        let (running_attempt, running) = progress.end_attempt()?;
        let attempt = AttemptId { call: self.id, attempt: progress.present_attempt() };
        self.scheduler.teller.tell(|| Event::AttemptEnded { attempt, failure, running });
        Some(running_attempt)
    }

    /// Tells the caller how the call ended, if that has not been told. `last` is the attempt that ended with it.
    pub(super) fn settle(
        &self,
        mut progress: MutexGuard<'_, Progress>,
        last: Option<RunningAttempt>,
        end: SettledEnd,
    ) {
        let Some(caller) = progress.caller.take() else { return };
        drop(progress.permit.take());
        let ended = self.present.swap(0, Ordering::AcqRel);
        let failure = end.failure();
        self.scheduler.teller.tell(|| Event::CallEnded {
            call: self.id,
            task: self.task.clone(),
            failure,
            attempts: progress.attempts,
            waiting: progress.waiting,
            running: progress.running,
        });
        let settlement = Settlement {
            end,
            attempts: progress.attempts,
            interruptions: progress.interruptions,
            waiting: progress.waiting,
            running: progress.running,
            history: std::mem::take(&mut progress.history),
        };
        let span = std::mem::take(&mut progress.span);
        // What wakes the caller, listens to spans, or drops what nobody wants, is not ours and may come back to
        // this call.
        drop(progress);
        self.scheduler.queues.attempt_ended(self.attempt(ended), failure.is_none());
        let counted = last.as_ref().map(|attempt| &attempt.counted);
        self.scheduler.tally.count_answered(counted, failure, settlement.waiting, settlement.running);
        if let Some(attempt) = last {
            attempt.end(failure);
        }
        span.end(settlement.attempts, failure);
        self.scheduler.ledger.answered(1);
        // Nobody listens any more if the handle has been dropped.
        let _ = caller.send(settlement);
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
