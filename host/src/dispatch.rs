//! The queue between callers and workers: jobs go in at one end, workers pull them out at the other.
//!
//! A job is an attempt with the place for its answer. The answer is owed: a [`Reply`] that is dropped
//! unanswered reports its attempt as lost, so whatever becomes of a worker, the desk hears of it. What a job
//! does is none of this room's business (`W`). There is no timer and no retry here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures::task::AtomicWaker;

use crate::call::{AttemptId, CallId, Company, WorkerId};
use crate::outcome::{Ending, Interruption};

/// An attempt with the place for its answer.
pub(crate) struct Job<W: ?Sized> {
    pub(crate) attempt: AttemptId,
    /// Which of the pool's modules has the task.
    pub(crate) module: usize,
    pub(crate) company: Company,
    pub(crate) work: Arc<W>,
    pub(crate) reply: Reply,
}

/// Who gave out a job and hears how it ended.
pub(crate) trait Desk: Send + Sync {
    /// Notes that the attempt begins to run in a worker that listens to `bell`; false if nobody awaits it any more.
    fn begun(&self, worker: WorkerId, bell: &Arc<Bell>) -> bool;
    /// Returns true while somebody awaits the call.
    fn is_awaited(&self) -> bool;
    /// Hears how the attempt ended.
    fn ended(self: Arc<Self>, ending: Ending);
}

/// The place for a job's answer; answers for itself when dropped.
pub(crate) struct Reply {
    desk: Option<Arc<dyn Desk>>,
}

impl Reply {
    pub(crate) fn to(desk: Arc<dyn Desk>) -> Self {
        Reply { desk: Some(desk) }
    }

    pub(crate) fn answer(mut self, ending: Ending) {
        if let Some(desk) = self.desk.take() {
            desk.ended(ending);
        }
    }

    /// Notes that the attempt begins to run; false if nobody awaits it, so that it need not.
    pub(crate) fn begun(&self, worker: WorkerId, bell: &Arc<Bell>) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.begun(worker, bell))
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.is_awaited())
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.take() {
            desk.ended(Ending::Interrupted(Interruption::WorkerLost));
        }
    }
}

/// How others get a worker's attention while it waits.
#[derive(Default)]
pub(crate) struct Bell {
    waker: AtomicWaker,
    stop: AtomicBool,
    withdrawn: Mutex<Vec<CallId>>,
}

impl Bell {
    /// Tells the worker that nobody awaits this call any more.
    pub(crate) fn withdraw(&self, call: CallId) {
        self.withdrawn.lock().expect("no holder of this lock panics").push(call);
        self.waker.wake();
    }

    /// Tells the worker to drop everything and end.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Registers the worker to be woken, then returns the calls withdrawn since the last time.
    pub(crate) fn listen(&self, cx: &Context<'_>) -> Vec<CallId> {
        self.waker.register(cx.waker());
        std::mem::take(&mut *self.withdrawn.lock().expect("no holder of this lock panics"))
    }
}

/// All jobs that no worker has taken yet.
pub(crate) struct Queue<W: ?Sized> {
    state: Mutex<State<W>>,
}

struct State<W: ?Sized> {
    jobs: VecDeque<Job<W>>,
    /// Workers with nothing to do, the one that sleeps the longest first.
    sleepers: VecDeque<(WorkerId, Waker)>,
    /// About how many of the jobs nobody awaits any more.
    withdrawn: usize,
    closed: bool,
}

/// So many withdrawn jobs are kept before it is worth a look at all of them.
const WITHDRAWN_KEPT: usize = 64;

impl<W: ?Sized> Queue<W> {
    pub(crate) fn new() -> Self {
        Queue {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                sleepers: VecDeque::new(),
                withdrawn: 0,
                closed: false,
            }),
        }
    }

    /// Puts a new job behind all others, or gives it back when the queue is closed.
    pub(crate) fn push(&self, job: Job<W>) -> Result<(), Job<W>> {
        self.put(job, VecDeque::push_back)
    }

    /// Puts a job that had its turn before all others, or gives it back when the queue is closed.
    pub(crate) fn push_front(&self, job: Job<W>) -> Result<(), Job<W>> {
        self.put(job, VecDeque::push_front)
    }

    fn put(&self, job: Job<W>, place: fn(&mut VecDeque<Job<W>>, Job<W>)) -> Result<(), Job<W>> {
        let mut state = self.lock();
        if state.closed {
            return Err(job);
        }
        place(&mut state.jobs, job);
        state.wake_one();
        Ok(())
    }

    /// Takes the next job that somebody awaits; `None` when the queue is closed.
    pub(crate) fn poll_take(&self, worker: WorkerId, cx: &Context<'_>) -> Poll<Option<Job<W>>> {
        loop {
            let mut state = self.lock();
            if state.closed {
                return Poll::Ready(None);
            }
            state.sleepers.retain(|(sleeper, _)| *sleeper != worker);
            let Some(job) = state.jobs.pop_front() else {
                state.sleepers.push_back((worker, cx.waker().clone()));
                return Poll::Pending;
            };
            if !state.jobs.is_empty() {
                state.wake_one();
            }
            // Outside the lock, since a withdrawn job's reply talks to its desk when it is dropped.
            drop(state);
            if job.reply.is_awaited() {
                return Poll::Ready(Some(job));
            }
        }
    }

    /// Notes that a job is withdrawn that may be here. They are dropped when most of the queue is of that kind,
    /// so that callers who come and go do not fill the memory while all workers are taken.
    pub(crate) fn note_withdrawn(&self) {
        let mut state = self.lock();
        state.withdrawn += 1;
        if state.withdrawn < WITHDRAWN_KEPT.max(state.jobs.len() / 2) {
            return;
        }
        state.withdrawn = 0;
        let (awaited, withdrawn) = state.jobs.drain(..).partition(|job| job.reply.is_awaited());
        state.jobs = awaited;
        // Outside the lock, as everywhere.
        drop(state);
        drop::<VecDeque<_>>(withdrawn);
    }

    /// Lets somebody else take what this worker was woken for: it has become busy before it came to take it.
    pub(crate) fn pass_on(&self, worker: WorkerId) {
        let mut state = self.lock();
        state.sleepers.retain(|(sleeper, _)| *sleeper != worker);
        if !state.jobs.is_empty() {
            state.wake_one();
        }
    }

    /// Takes out all jobs of one module.
    pub(crate) fn take_all_of(&self, module: usize) -> Vec<Job<W>> {
        let mut state = self.lock();
        let (taken, left) = state.jobs.drain(..).partition(|job| job.module == module);
        state.jobs = left;
        Vec::from(taken)
    }

    /// Takes nothing more and returns what is left; workers that ask are told to end.
    pub(crate) fn close(&self) -> Vec<Job<W>> {
        let mut state = self.lock();
        state.closed = true;
        for (_, waker) in state.sleepers.drain(..) {
            waker.wake();
        }
        state.jobs.drain(..).collect()
    }

    /// Returns how many jobs nobody has taken yet.
    pub(crate) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl<W: ?Sized> State<W> {
    fn wake_one(&mut self) {
        if let Some((_, waker)) = self.sleepers.pop_front() {
            waker.wake();
        }
    }
}
