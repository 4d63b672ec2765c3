//! The queue between callers and workers: jobs go in at one end, workers pull them out at the other.
//!
//! A job is an attempt with the place for its answer. What a job does is none of this room's business (`W`). There is
//! no timer and no retry here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::call::{AttemptId, Company, WorkerId};
use crate::reply::Reply;

/// An attempt with the place for its answer, or many of them that travel together.
pub(crate) struct Job<W> {
    pub(crate) attempt: AttemptId,
    /// Which of the pool's modules has the task.
    pub(crate) module: usize,
    pub(crate) company: Company,
    /// Jobs of the same number go to the same worker, which seats them in the same sandbox.
    pub(crate) affinity: Option<u64>,
    /// How many calls it is: more than one in a batch.
    pub(crate) calls: usize,
    pub(crate) work: W,
    pub(crate) reply: Reply,
}

/// All jobs that no worker has taken yet.
pub(crate) struct Queue<W> {
    state: Mutex<State<W>>,
}

struct State<W> {
    /// Jobs for whoever comes first.
    jobs: VecDeque<Job<W>>,
    /// Jobs with an affinity, each in the line of its worker.
    lines: Vec<VecDeque<Job<W>>>,
    /// How many calls are in all of these.
    calls: usize,
    /// Jobs that nobody may take yet.
    parked: HashMap<AttemptId, Job<W>>,
    /// Workers with nothing to do, the one that sleeps the longest first.
    sleepers: VecDeque<(WorkerId, Waker)>,
    /// About how many of the jobs nobody awaits any more.
    withdrawn: usize,
    closed: bool,
}

/// So many withdrawn jobs are kept before it is worth a look at all of them.
const WITHDRAWN_KEPT: usize = 64;

impl<W> Queue<W> {
    /// Makes an empty queue. The first `permanent_workers` of those who come to take have a line of their own.
    pub(crate) fn new(permanent_workers: usize) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            lines: (0..permanent_workers).map(|_| VecDeque::new()).collect(),
            calls: 0,
            parked: HashMap::new(),
            sleepers: VecDeque::new(),
            withdrawn: 0,
            closed: false,
        };
        Queue { state: Mutex::new(state) }
    }

    /// Puts a new job behind all others, or gives it back when the queue is closed.
    pub(crate) fn push(&self, job: Job<W>) -> Result<(), Job<W>> {
        self.put(job, VecDeque::push_back)
    }

    /// Puts a job that had its turn before all others, or gives it back when the queue is closed.
    pub(crate) fn push_front(&self, job: Job<W>) -> Result<(), Job<W>> {
        self.put(job, VecDeque::push_front)
    }

    /// Keeps a job that nobody may take before it is [released](Self::release), or gives it back when the queue is
    /// closed.
    pub(crate) fn park(&self, job: Job<W>) -> Result<(), Job<W>> {
        let mut state = self.lock();
        if state.closed {
            return Err(job);
        }
        state.parked.insert(job.attempt, job);
        Ok(())
    }

    /// Puts a parked job before all others. One that is gone has been withdrawn, or the queue is closed and has given it
    /// back already.
    pub(crate) fn release(&self, attempt: AttemptId) {
        let mut state = self.lock();
        // Under one lock, so that a queue that closes has it, or never gets it.
        if let Some(job) = state.parked.remove(&attempt) {
            let sleeper = state.put(job, VecDeque::push_front);
            wake(state, sleeper);
        }
    }

    fn put(&self, job: Job<W>, place: fn(&mut VecDeque<Job<W>>, Job<W>)) -> Result<(), Job<W>> {
        let mut state = self.lock();
        if state.closed {
            return Err(job);
        }
        let sleeper = state.put(job, place);
        wake(state, sleeper);
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
            let Some(job) = state.take_next(worker) else {
                state.sleepers.push_back((worker, cx.waker().clone()));
                return Poll::Pending;
            };
            let helper = state.helper();
            // Outside the lock, since a withdrawn job's reply talks to its desk when it is dropped.
            wake(state, helper);
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
        if state.withdrawn < WITHDRAWN_KEPT.max((state.len() + state.parked.len()) / 2) {
            return;
        }
        state.withdrawn = 0;
        let mut withdrawn = state.take_out(|job| !job.reply.is_awaited());
        withdrawn.extend(state.parked.extract_if(|_, job| !job.reply.is_awaited()).map(|(_, job)| job));
        // Outside the lock, as everywhere.
        drop(state);
        drop(withdrawn);
    }

    /// Lets somebody else take what this worker was woken for: it has become busy before it came to take it.
    pub(crate) fn pass_on(&self, worker: WorkerId) {
        let mut state = self.lock();
        state.sleepers.retain(|(sleeper, _)| *sleeper != worker);
        let helper = state.helper();
        wake(state, helper);
    }

    /// Takes out all jobs of one module.
    pub(crate) fn take_all_of(&self, module: usize) -> Vec<Job<W>> {
        self.lock().take_out(|job| job.module == module)
    }

    /// Takes nothing more and returns what is left; workers that ask are told to end.
    pub(crate) fn close(&self) -> Vec<Job<W>> {
        let mut state = self.lock();
        state.closed = true;
        let mut left = state.take_out(|_| true);
        left.extend(state.parked.drain().map(|(_, job)| job));
        let sleepers = std::mem::take(&mut state.sleepers);
        wake(state, sleepers.into_iter().map(|(_, waker)| waker));
        left
    }

    /// Returns how many jobs are parked.
    pub(crate) fn parked(&self) -> usize {
        self.lock().parked.len()
    }

    /// Returns how many calls are in jobs that nobody has taken yet.
    pub(crate) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Returns true if there are jobs for anybody, and nobody without work who would come for them.
    pub(crate) fn is_short_handed(&self) -> bool {
        let state = self.lock();
        !state.jobs.is_empty() && state.sleepers.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// Wakes workers when the queue is free again: whoever wakes at once, on this processor even, asks for it first of all.
fn wake<W>(state: MutexGuard<'_, State<W>>, sleepers: impl IntoIterator<Item = Waker>) {
    drop(state);
    sleepers.into_iter().for_each(Waker::wake);
}

impl<W> State<W> {
    /// Puts a job in its place, and returns the worker to be woken for it.
    fn put(&mut self, job: Job<W>, place: fn(&mut VecDeque<Job<W>>, Job<W>)) -> Option<Waker> {
        self.calls += job.calls;
        match self.line_of(&job) {
            Some(worker) => {
                place(&mut self.lines[worker], job);
                self.sleeper(WorkerId(worker))
            }
            None => {
                place(&mut self.jobs, job);
                self.next_sleeper()
            }
        }
    }

    /// Returns whose line a job belongs to.
    fn line_of(&self, job: &Job<W>) -> Option<usize> {
        let lines = self.lines.len() as u64;
        job.affinity.map(|affinity| usize::try_from(affinity % lines).expect("it is less than a length"))
    }

    /// Takes the older of the next job for anybody and the next in the worker's own line.
    fn take_next(&mut self, worker: WorkerId) -> Option<Job<W>> {
        let own = self.lines.get_mut(worker.get()).filter(|line| {
            let is_older =
                |own: &Job<W>| self.jobs.front().is_none_or(|any| own.attempt.call <= any.attempt.call);
            line.front().is_some_and(is_older)
        });
        let job = own.unwrap_or(&mut self.jobs).pop_front()?;
        self.calls -= job.calls;
        Some(job)
    }

    fn take_out(&mut self, is_wanted: impl Fn(&Job<W>) -> bool) -> Vec<Job<W>> {
        let mut taken = Vec::new();
        for jobs in std::iter::once(&mut self.jobs).chain(&mut self.lines) {
            let (wanted, left): (VecDeque<_>, _) = jobs.drain(..).partition(|job| is_wanted(job));
            *jobs = left;
            taken.extend(wanted);
        }
        self.calls -= taken.iter().map(|job| job.calls).sum::<usize>();
        taken
    }

    fn len(&self) -> usize {
        self.jobs.len() + self.lines.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Returns somebody to be woken if there is something left for anybody.
    fn helper(&mut self) -> Option<Waker> {
        if self.jobs.is_empty() { None } else { self.next_sleeper() }
    }

    fn next_sleeper(&mut self) -> Option<Waker> {
        self.sleepers.pop_front().map(|(_, waker)| waker)
    }

    fn sleeper(&mut self, worker: WorkerId) -> Option<Waker> {
        let place = self.sleepers.iter().position(|(sleeper, _)| *sleeper == worker)?;
        self.sleepers.remove(place).map(|(_, waker)| waker)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::call::CallId;
    use crate::reply::patient::reply_to_the_patient;

    /// Asks for the queue as soon as it is woken, on the thread that wakes it.
    struct Eager {
        queue: Arc<Queue<()>>,
        times_woken: AtomicUsize,
    }

    impl Wake for Eager {
        fn wake(self: Arc<Self>) {
            assert!(self.queue.state.try_lock().is_ok(), "somebody has the queue to himself");
            self.times_woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has a worker ask for a job when there is none.
    fn asleep(queue: &Arc<Queue<()>>, worker: usize) -> Arc<Eager> {
        let eager = Arc::new(Eager { queue: queue.clone(), times_woken: AtomicUsize::new(0) });
        let waker = Waker::from(eager.clone());
        assert!(queue.poll_take(WorkerId(worker), &Context::from_waker(&waker)).is_pending());
        eager
    }

    fn take(queue: &Queue<()>, worker: usize) -> bool {
        let taken = queue.poll_take(WorkerId(worker), &Context::from_waker(Waker::noop()));
        matches!(taken, Poll::Ready(Some(_)))
    }

    fn job(call: u64, affinity: Option<u64>) -> Job<()> {
        let attempt = AttemptId { call: CallId(call), attempt: 1 };
        let reply = reply_to_the_patient();
        Job { attempt, module: 0, company: Company::Shared, affinity, calls: 1, work: (), reply }
    }

    fn is_woken(eager: &Eager) -> bool {
        eager.times_woken.load(Ordering::Relaxed) == 1
    }

    #[test]
    fn a_worker_is_woken_for_each_job_and_gets_at_the_queue_at_once() {
        let queue = Arc::new(Queue::new(1));
        let worker = asleep(&queue, 0);
        assert!(queue.push(job(1, None)).is_ok() && is_woken(&worker));
        assert!(queue.push(job(2, None)).is_ok() && is_woken(&worker), "it is not asleep any more");
        assert!(take(&queue, 0) && take(&queue, 0));
        let (other, worker) = (asleep(&queue, 1), asleep(&queue, 0));
        assert!(queue.push(job(3, Some(0))).is_ok() && is_woken(&worker) && !is_woken(&other));
        assert!(take(&queue, 0) && queue.park(job(4, None)).is_ok() && !is_woken(&other));
        queue.release(AttemptId { call: CallId(4), attempt: 1 });
        assert!(is_woken(&other) && take(&queue, 1));
        let worker = asleep(&queue, 0);
        queue.close();
        assert!(is_woken(&worker) && !take(&queue, 0));
    }

    #[test]
    fn who_takes_a_job_or_cannot_has_another_woken_for_what_is_left() {
        let queue = Arc::new(Queue::new(1));
        let workers = [0, 1, 2, 3].map(|worker| asleep(&queue, worker));
        assert!(queue.push(job(1, None)).is_ok() && queue.push(job(2, None)).is_ok());
        assert_eq!(workers.each_ref().map(|worker| is_woken(worker)), [true, true, false, false]);
        assert!(take(&queue, 0) && is_woken(&workers[2]));
        queue.pass_on(WorkerId(1));
        assert!(is_woken(&workers[3]));
    }
}
