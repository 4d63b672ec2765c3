//! The long-lived loop in which one sandbox runs its calls, and what becomes of them when it ends.
//!
//! The worker stands at the [`Door`]: it lets jobs in and says when no more will come. The loop is one
//! `run_concurrent` for the life of the store. Dropping the loop is the only way to stop guest code for
//! good, and is always allowed: unanswered calls answer for themselves.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, GuestTaskId, Instance};

use crate::call::{CallId, WorkerId};
use crate::dispatch::Bell;
use crate::outcome::{Ending, Failure, Interruption};
use crate::sandbox::blame::trap_report;
use crate::sandbox::blueprint::Sandbox;
use crate::sandbox::invoke::{Broken, Job};
use crate::sandbox::state::{Abandoned, Resident, SandboxState};
use crate::tally::sandboxes::CountedSandbox;

/// How long the calls of a closed sandbox may go on beside one that nobody awaits and that may hold them up.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Where a worker and the loop of one of its sandboxes meet. Both live on one thread.
pub(crate) struct Door {
    pub(crate) module: usize,
    worker: WorkerId,
    bell: Arc<Bell>,
    waiting: RefCell<VecDeque<Job>>,
    /// Calls inside or waiting that somebody awaits.
    awaited: RefCell<HashSet<CallId>>,
    /// Calls inside that nobody awaits any more, and that have not ended.
    abandoned: Cell<usize>,
    /// How many calls have begun inside.
    served: Cell<u64>,
    closing: Cell<bool>,
    /// False from when something changed at the door until the loop has come by.
    loop_came_by: Cell<bool>,
    /// The worker's last turn in which the sandbox was polled.
    polled_in: Cell<u64>,
    /// Of the loop, which does not come by while guest code holds the whole store.
    waker: RefCell<Option<Waker>>,
    /// Of whoever waits outside for the sandbox to be done.
    outside_waker: RefCell<Option<Waker>>,
    /// The sandbox, as long as it or its worker has to do with this door.
    pub(crate) counted: CountedSandbox,
}

impl Door {
    /// Opens a door of a worker, who is told by `bell` of calls that are withdrawn.
    pub(crate) fn new(module: usize, worker: WorkerId, bell: Arc<Bell>, counted: CountedSandbox) -> Rc<Self> {
        Rc::new(Door {
            module,
            worker,
            bell,
            waiting: RefCell::default(),
            awaited: RefCell::default(),
            abandoned: Cell::new(0),
            served: Cell::new(0),
            closing: Cell::new(false),
            loop_came_by: Cell::new(true),
            polled_in: Cell::new(0),
            waker: RefCell::default(),
            outside_waker: RefCell::default(),
            counted,
        })
    }

    /// Lets a job in.
    pub(crate) fn admit(&self, job: Job) {
        self.awaited.borrow_mut().insert(job.attempt.call);
        self.waiting.borrow_mut().push_back(job);
        self.call_the_loop();
    }

    /// Returns false if the loop has not come by since it was called: either the sandbox is not open yet, or
    /// guest code waits inside a host call that holds the whole store.
    pub(crate) fn loop_came_by(&self) -> bool {
        self.loop_came_by.get()
    }

    /// Notes that the sandbox has its part of a turn of the worker.
    pub(crate) fn note_polled_in(&self, round: u64) {
        self.polled_in.set(round);
    }

    pub(crate) fn was_polled_in(&self, round: u64) -> bool {
        self.polled_in.get() == round
    }

    /// Lets nobody in any more; the sandbox ends when its last awaited call has.
    pub(crate) fn close(&self) {
        self.closing.set(true);
        self.counted.takes_no_more_calls();
        self.call_the_loop();
    }

    /// Notes that nobody awaits a call any more; returns false if it is not in here.
    pub(crate) fn abandon(&self, call: CallId) -> bool {
        let was_here = self.awaited.borrow_mut().remove(&call);
        if was_here {
            self.abandoned.set(self.abandoned.get() + 1);
            self.call_the_loop();
        }
        was_here
    }

    pub(crate) fn awaited(&self) -> usize {
        self.awaited.borrow().len()
    }

    pub(crate) fn abandoned(&self) -> usize {
        self.abandoned.get()
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.get()
    }

    /// Takes back the jobs that have not begun.
    pub(crate) fn take_waiting(&self) -> Vec<Job> {
        let jobs: Vec<_> = self.waiting.borrow_mut().drain(..).collect();
        for job in &jobs {
            self.awaited.borrow_mut().remove(&job.attempt.call);
        }
        jobs
    }

    fn leave(&self, call: CallId) {
        if !self.awaited.borrow_mut().remove(&call) {
            self.abandoned.set(self.abandoned.get().saturating_sub(1));
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Waits outside until nobody needs the sandbox any more, whatever its guest code is doing; or, once it is
    /// closed with a call in it that nobody awaits, until those who are awaited have had `DRAIN_LIMIT` to end.
    async fn given_up(&self) {
        poll_fn(|cx| self.poll_outside(cx, self.is_done() || self.may_be_held_up())).await;
        if !self.is_done() {
            let done = poll_fn(|cx| self.poll_outside(cx, self.is_done()));
            // Done or out of time, it ends.
            let _ = tokio::time::timeout(DRAIN_LIMIT, done).await;
        }
    }

    fn poll_outside(&self, cx: &Context<'_>, is_over: bool) -> Poll<()> {
        if is_over {
            return Poll::Ready(());
        }
        *self.outside_waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Returns true if it is closed with a call inside that nobody awaits and that may hold up the others.
    fn may_be_held_up(&self) -> bool {
        self.closing.get() && self.abandoned.get() > 0
    }

    fn is_done(&self) -> bool {
        self.closing.get() && self.awaited.borrow().is_empty()
    }

    fn call_the_loop(&self) {
        self.loop_came_by.set(false);
        for waker in [&self.waker, &self.outside_waker] {
            if let Some(waker) = waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }
}

/// How a sandbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// It was closed and its calls have ended.
    Closed,
    /// A call trapped, or the engine gave up for another reason.
    Trapped,
    /// It was closed, and a call that nobody awaits did not let the others end.
    Stuck,
}

impl Sandbox {
    /// Runs the calls that come in by the door until it is closed, a call traps, or it is given up.
    ///
    /// All calls that are still running then are answered here. Those that had not begun stay at the door.
    pub(crate) async fn serve(mut self, door: &Door) -> Departure {
        let instance = self.instance;
        let run = self.store.run_concurrent(async |accessor| serve_calls(accessor, &instance, door).await);
        // The run first: it may be held up, and then nobody but the door can tell that it is over.
        let ended = tokio::select! {
            biased;
            ended = run => Some(ended),
            () = door.given_up() => None,
        };
        let (culprit, error) = match ended {
            Some(Ok(Ok(()))) => (None, None),
            Some(Ok(Err(Broken { task, error }))) => (Some(task), Some(error)),
            Some(Err(error)) => (self.running_task(), Some(error)),
            None => (None, None),
        };
        let departure = match (&error, door.is_done()) {
            (Some(_), _) => Departure::Trapped,
            (None, true) => Departure::Closed,
            (None, false) => Departure::Stuck,
        };
        self.answer_all(culprit, &error.unwrap_or_else(|| Abandoned.into()), door);
        departure
    }

    /// Returns the root of the guest task that was running when the engine gave up, if it knows.
    fn running_task(&mut self) -> Option<GuestTaskId> {
        self.store.as_context_mut().async_call_stack().ok()?.last()
    }

    fn answer_all(&mut self, culprit: Option<GuestTaskId>, error: &wasmtime::Error, door: &Door) {
        let state = self.store.data_mut();
        let mut residents: Vec<_> = state.roster.drain().collect();
        // Neighbours go back to the queue's front, so the newest goes first.
        residents.sort_by_key(|(_, resident)| std::cmp::Reverse(resident.attempt.call));
        // Where the engine stopped what computed for nobody, no caller is to blame.
        let is_stopped = error.is::<Abandoned>();
        let only_call_ever = door.served() == 1 && !is_stopped;
        let known = is_stopped || only_call_ever || residents.iter().any(|(task, _)| Some(*task) == culprit);
        for (task, resident) in residents {
            let stderr = state.output.finish(Some(resident.attempt));
            let ending = match (known, only_call_ever || Some(task) == culprit) {
                (true, true) => Ending::Failed(Failure::Trapped(trap_report(error, &stderr))),
                (true, false) if is_stopped => Ending::Interrupted(Interruption::NeighbourStopped),
                (true, false) => Ending::Interrupted(Interruption::NeighbourTrapped),
                (false, _) => Ending::Interrupted(Interruption::SomebodyTrapped),
            };
            door.leave(resident.attempt.call);
            resident.reply.answer(ending);
        }
        // Of work left over from answered calls.
        state.output.finish_all();
    }
}

async fn serve_calls(
    accessor: &Accessor<SandboxState>,
    instance: &Instance,
    door: &Door,
) -> Result<(), Broken> {
    let mut running = FuturesUnordered::new();
    poll_fn(|cx: &mut Context<'_>| {
        loop {
            while let Poll::Ready(Some((call, ended))) = running.poll_next_unpin(cx) {
                match ended {
                    Ok(()) => door.leave(call),
                    // It stays inside until somebody has found out why.
                    Err(broken) => return Poll::Ready(Err(broken)),
                }
            }
            let next = door.waiting.borrow_mut().pop_front();
            if let Some(job) = next {
                if !job.reply.begun(door.worker, &door.bell) {
                    door.leave(job.attempt.call);
                    continue;
                }
                door.served.set(door.served.get() + 1);
                let call = job.attempt.call;
                let resident = Resident { attempt: job.attempt, reply: job.reply, abandoned_ticks: 0 };
                let run = job.work.run(accessor, instance, resident);
                running.push(async move { (call, run.await) });
                continue;
            }
            door.loop_came_by.set(true);
            if door.is_done() {
                return Poll::Ready(Ok(()));
            }
            *door.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
    })
    .await
}
