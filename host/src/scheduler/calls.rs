//! One call from submit to report. Here is the only loop that runs a call again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::bell::Bell;
use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::dispatch::{Desk, Reply};
use crate::event::{Event, Teller};
use crate::lifespan::{self, Rerun};
use crate::outcome::{Ending, Failure, Interruption};
use crate::sandbox::invoke::{Invocation, Job, Queue};
use crate::scheduler::ledger::Ledger;
use crate::scheduler::progress::{Progress, RunningAttempt, SettledEnd, Settlement};
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
}

/// What is asked for.
pub(crate) struct Order {
    pub(crate) task: Arc<str>,
    pub(crate) module: usize,
    pub(crate) work: Arc<dyn Invocation>,
    /// Calls of the same number go to the same sandbox while it lives.
    pub(crate) affinity: Option<u64>,
    /// Given back when the call is answered. `submit` goes without when there is none left.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) span: CallSpan,
}

/// A call that has been accepted; outlives its attempts.
pub(crate) struct Call {
    pub(crate) id: CallId,
    task: Arc<str>,
    module: usize,
    work: Arc<dyn Invocation>,
    affinity: Option<u64>,
    scheduler: Arc<Scheduler>,
    awaited: AtomicBool,
    /// Whether the present attempt may have changed something outside its sandbox.
    had_effect: AtomicBool,
    progress: Mutex<Progress>,
}

impl Scheduler {
    /// Queues the first attempt of a call that the ledger has accepted.
    pub(crate) fn submit(
        self: &Arc<Self>,
        id: CallId,
        order: Order,
    ) -> (Arc<Call>, oneshot::Receiver<Settlement>) {
        let (caller, receiver) = oneshot::channel();
        let call = Arc::new(Call {
            id,
            task: order.task,
            module: order.module,
            work: order.work,
            affinity: order.affinity,
            scheduler: self.clone(),
            awaited: AtomicBool::new(true),
            had_effect: AtomicBool::new(false),
            progress: Mutex::new(Progress::new(caller, order.permit, order.span)),
        });
        // A pool that closes right now gives the job back; its reply then settles the call.
        let _ = self.queue.push(call.next_job(1, Company::Shared));
        (call, receiver)
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
        self.ledger.answered();
    }
}

impl Call {
    /// Ends the call for the caller at once, whatever its attempt is doing.
    pub(crate) fn withdraw(&self) {
        let mut progress = self.progress();
        if progress.caller.is_none() {
            return;
        }
        let failure = Failure::Cancelled;
        let attempt = self.end_attempt(&mut progress, Some(failure.kind()));
        progress.attempts += u32::from(attempt.is_some());
        let worker = attempt.as_ref().map(|attempt| attempt.worker.clone());
        let has_begun = worker.is_some();
        // One that waits may do so in the queue or with a worker, or have gone from one to the other just now.
        let worker = worker.or_else(|| progress.seated_with.take());
        self.settle(progress, attempt, SettledEnd::Failed(failure));
        if let Some(worker) = worker {
            worker.withdraw(self.id);
        }
        if !has_begun {
            self.scheduler.queue.note_withdrawn();
        }
    }

    pub(crate) fn is_settled(&self) -> bool {
        !self.awaited.load(Ordering::Acquire)
    }

    fn next_job(self: &Arc<Self>, attempt: u32, company: Company) -> Job {
        Job {
            attempt: AttemptId { call: self.id, attempt },
            module: self.module,
            company,
            affinity: self.affinity,
            work: self.work.clone(),
            reply: Reply::to(self.clone()),
        }
    }

    /// Runs the call again after its attempt was lost, or tells the caller that it will not be.
    fn interrupted(
        self: &Arc<Self>,
        mut progress: MutexGuard<'_, Progress>,
        attempt: Option<RunningAttempt>,
        by: &Interruption,
    ) {
        let interruptions = progress.interruptions + 1;
        let company = match lifespan::after_interruption(interruptions, progress.company, by) {
            Rerun::Again(company) => company,
            Rerun::GiveUp => {
                progress.interruptions = interruptions;
                let failure = Failure::Interrupted {
                    reason: by.to_string(),
                    effects: self.had_effect.load(Ordering::Acquire),
                };
                return self.settle(progress, attempt, SettledEnd::Failed(failure));
            }
        };
        // No worker gets at the call before this lock is free, so what is noted and told here comes first.
        if let Err(job) =
            self.scheduler.queue.push_front(self.next_job(progress.attempts + interruptions + 1, company))
        {
            // The pool ends, and that is what ended the attempt: nobody else's doing, and not to be counted as such.
            self.settle(progress, attempt, SettledEnd::Failed(Failure::Cancelled));
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
        drop(progress);
        if let Some(attempt) = attempt {
            attempt.end(Some("interrupted"));
        }
    }

    /// Notes that the present attempt is over, whether or not it had begun, and returns it if it had.
    fn end_attempt(&self, progress: &mut Progress, failure: Option<&'static str>) -> Option<RunningAttempt> {
        let (running_attempt, running) = progress.end_attempt()?;
        let attempt = AttemptId { call: self.id, attempt: progress.present_attempt() };
        self.scheduler.teller.tell(|| Event::AttemptEnded { attempt, failure, running });
        Some(running_attempt)
    }

    /// Tells the caller how the call ended, if that has not been told. `last` is the attempt that ended with it.
    fn settle(&self, mut progress: MutexGuard<'_, Progress>, last: Option<RunningAttempt>, end: SettledEnd) {
        let Some(caller) = progress.caller.take() else { return };
        drop(progress.permit.take());
        self.awaited.store(false, Ordering::Release);
        let failure = match &end {
            SettledEnd::Completed(_) => None,
            SettledEnd::Returned(_) => Some("task-error"),
            SettledEnd::Failed(failure) => Some(failure.kind()),
        };
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
        };
        let span = std::mem::take(&mut progress.span);
        // What wakes the caller, listens to spans, or drops what nobody wants, is not ours and may come back to
        // this call.
        drop(progress);
        let counted = last.as_ref().map(|attempt| &attempt.counted);
        self.scheduler.tally.count_answered(counted, failure, settlement.waiting, settlement.running);
        if let Some(attempt) = last {
            attempt.end(failure);
        }
        span.end(settlement.attempts, failure);
        self.scheduler.ledger.answered();
        // Nobody listens any more if the handle has been dropped.
        let _ = caller.send(settlement);
    }

    /// Keeps the span of an attempt that has begun with it, unless it has been withdrawn in the meantime.
    fn begin_attempt_span(&self, call: &CallSpan, attempt: u32, worker: WorkerId) {
        let Some(span) = call.begin_attempt(attempt, worker) else { return };
        if let Some(running) = &mut self.progress().running_attempt {
            running.span = Some(span);
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no holder of this lock panics")
    }
}

impl Desk for Call {
    fn seated(&self, bell: &Arc<Bell>) -> bool {
        let mut progress = self.progress();
        progress.seated_with = Some(bell.clone());
        progress.caller.is_some()
    }

    fn begun(&self, worker: WorkerId, bell: &Arc<Bell>) -> bool {
        let mut progress = self.progress();
        if progress.caller.is_none() {
            return false;
        }
        let counted = self.scheduler.tally.count_attempt(worker);
        progress.begin_attempt(RunningAttempt::new(bell.clone(), counted));
        let attempt = AttemptId { call: self.id, attempt: progress.present_attempt() };
        let started = || Event::AttemptStarted { attempt, task: self.task.clone(), worker };
        self.scheduler.teller.tell(started);
        let span = progress.span.clone();
        drop(progress);
        self.begin_attempt_span(&span, attempt.attempt, worker);
        true
    }

    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    fn had_effect(&self) {
        self.had_effect.store(true, Ordering::Release);
    }

    fn ended(self: Arc<Self>, ending: Ending) {
        let mut progress = self.progress();
        if progress.caller.is_none() {
            return;
        }
        let failure = match &ending {
            Ending::Completed(_) => None,
            Ending::Returned(_) => Some("task-error"),
            Ending::Failed(failure) => Some(failure.kind()),
            Ending::Interrupted(_) => Some("interrupted"),
        };
        let attempt = self.end_attempt(&mut progress, failure);
        let end = match ending {
            Ending::Interrupted(by) => return self.interrupted(progress, attempt, &by),
            Ending::Completed(parcel) => SettledEnd::Completed(parcel),
            Ending::Returned(parcel) => SettledEnd::Returned(parcel),
            Ending::Failed(failure) => SettledEnd::Failed(failure),
        };
        progress.attempts += u32::from(attempt.is_some());
        self.settle(progress, attempt, end);
    }
}
