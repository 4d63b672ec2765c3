//! One call from submit to report. Here is the only loop that runs a call again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::dispatch::{Bell, Desk, Reply};
use crate::event::{Event, Teller};
use crate::lifespan::{self, Rerun};
use crate::outcome::{Ending, Failure, Interruption, Parcel};
use crate::sandbox::invoke::{Invocation, Job, Queue};
use crate::scheduler::ledger::Ledger;

/// What calls need of their pool.
pub(crate) struct Scheduler {
    pub(crate) queue: Arc<Queue>,
    pub(crate) ledger: Ledger,
    /// As many calls as the pool takes before `call` waits and `try_call` refuses.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) teller: Teller,
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
}

/// How a call ended, with its output still wrapped up.
pub(crate) struct Settlement {
    pub(crate) end: SettledEnd,
    pub(crate) attempts: u32,
    pub(crate) interruptions: u32,
    pub(crate) waiting: Duration,
    pub(crate) running: Duration,
}

pub(crate) enum SettledEnd {
    Completed(Parcel),
    Returned(Parcel),
    Failed(Failure),
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
    progress: Mutex<Progress>,
}

struct Progress {
    /// Gone once the call is settled.
    caller: Option<oneshot::Sender<Settlement>>,
    permit: Option<OwnedSemaphorePermit>,
    company: Company,
    attempts: u32,
    interruptions: u32,
    waiting: Duration,
    running: Duration,
    /// When the present waiting or running began.
    since: Instant,
    /// Who runs the present attempt; `None` while it waits.
    worker: Option<Arc<Bell>>,
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
            progress: Mutex::new(Progress {
                caller: Some(caller),
                permit: order.permit,
                company: Company::Shared,
                attempts: 0,
                interruptions: 0,
                waiting: Duration::ZERO,
                running: Duration::ZERO,
                since: Instant::now(),
                worker: None,
            }),
        });
        // A pool that closes right now gives the job back; its reply then settles the call.
        let _ = self.queue.push(call.next_job(1, Company::Shared));
        (call, receiver)
    }

    /// Ends a call that the ledger has accepted, but whose arguments do not fit, before it is queued.
    pub(crate) fn refuse(&self, call: CallId, task: &Arc<str>, failure: &Failure) {
        self.teller.tell(|| Event::CallEnded {
            call,
            task: task.clone(),
            failure: Some(failure.kind()),
            attempts: 0,
            waiting: Duration::ZERO,
            running: Duration::ZERO,
        });
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
        let bell = self.end_attempt(&mut progress, Some(failure.kind()));
        progress.attempts += u32::from(bell.is_some());
        self.settle(progress, SettledEnd::Failed(failure));
        match bell {
            Some(bell) => bell.withdraw(self.id),
            None => self.scheduler.queue.note_withdrawn(),
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
    fn interrupted(self: &Arc<Self>, mut progress: MutexGuard<'_, Progress>, by: &Interruption) {
        let interruptions = progress.interruptions + 1;
        let company = match lifespan::after_interruption(interruptions, progress.company, by) {
            Rerun::Again(company) => company,
            Rerun::GiveUp => {
                progress.interruptions = interruptions;
                let failure = Failure::Interrupted { reason: by.to_string() };
                return self.settle(progress, SettledEnd::Failed(failure));
            }
        };
        // No worker gets at the call before this lock is free, so what is noted and told here comes first.
        if let Err(job) =
            self.scheduler.queue.push_front(self.next_job(progress.attempts + interruptions + 1, company))
        {
            // The pool ends, and that is what ended the attempt: nobody else's doing, and not to be counted as such.
            self.settle(progress, SettledEnd::Failed(Failure::Cancelled));
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
    }

    /// Notes that the present attempt is over, whether or not it had begun, and returns its worker if it had.
    fn end_attempt(&self, progress: &mut Progress, failure: Option<&'static str>) -> Option<Arc<Bell>> {
        let now = Instant::now();
        let passed = now - progress.since;
        progress.since = now;
        let Some(bell) = progress.worker.take() else {
            progress.waiting += passed;
            return None;
        };
        progress.running += passed;
        let attempt = AttemptId { call: self.id, attempt: progress.attempts + progress.interruptions + 1 };
        self.scheduler.teller.tell(|| Event::AttemptEnded { attempt, failure, running: passed });
        Some(bell)
    }

    /// Tells the caller how the call ended, if that has not been told.
    fn settle(&self, mut progress: MutexGuard<'_, Progress>, end: SettledEnd) {
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
        // What wakes the caller, or drops what nobody wants, is not ours and may come back to this call.
        drop(progress);
        self.scheduler.ledger.answered();
        // Nobody listens any more if the handle has been dropped.
        let _ = caller.send(settlement);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("no holder of this lock panics")
    }
}

impl Desk for Call {
    fn begun(&self, worker: WorkerId, bell: &Arc<Bell>) -> bool {
        let mut progress = self.progress();
        if progress.caller.is_none() {
            return false;
        }
        let now = Instant::now();
        let waited = now - progress.since;
        progress.waiting += waited;
        progress.since = now;
        progress.worker = Some(bell.clone());
        self.scheduler.teller.tell(|| Event::AttemptStarted {
            attempt: AttemptId { call: self.id, attempt: progress.attempts + progress.interruptions + 1 },
            task: self.task.clone(),
            worker,
        });
        true
    }

    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
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
        let had_begun = self.end_attempt(&mut progress, failure).is_some();
        let end = match ending {
            Ending::Interrupted(by) => return self.interrupted(progress, &by),
            Ending::Completed(parcel) => SettledEnd::Completed(parcel),
            Ending::Returned(parcel) => SettledEnd::Returned(parcel),
            Ending::Failed(failure) => SettledEnd::Failed(failure),
        };
        progress.attempts += u32::from(had_begun);
        self.settle(progress, end);
    }
}
