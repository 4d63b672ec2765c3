//! What a worker does all day: take a job, seat it in a sandbox, see sandboxes end, stop.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::call::{CallId, Company, WorkerId};
use crate::dispatch::Bell;
use crate::event::{Event, RetireReason};
use crate::lifespan;
use crate::outcome::{Ending, Failure};
use crate::sandbox::invoke::Job;
use crate::sandbox::serve::{Departure, Door};
use crate::sandbox::state::Pulse;
use crate::worker::life::{Ended, FirstOpening, live};
use crate::worker::workshop::Workshop;

pub(crate) struct Worker {
    id: WorkerId,
    shop: Arc<Workshop>,
    bell: Arc<Bell>,
    pulse: Arc<Pulse>,
    /// The sandbox that takes calls, for each module that has one.
    open_doors: Vec<Option<Rc<Door>>>,
    /// All sandboxes, those included that take no more calls or only one.
    doors: Vec<Rc<Door>>,
    /// How many of them have not opened yet.
    opening: Rc<Cell<usize>>,
    sandboxes: FuturesUnordered<LocalBoxFuture<'static, Ended>>,
    taken_since_pause: u32,
    /// Counts the turns of this worker's loop, so that it is known which sandboxes had theirs.
    round: Rc<Cell<u64>>,
}

/// So many jobs are taken in a row before timers and sockets of waiting calls get their turn.
const JOBS_BETWEEN_PAUSES: u32 = 64;

/// What happened, of all that can happen to a worker.
enum Step {
    Take(Job),
    Ended(Ended),
    Withdrawn(Vec<CallId>),
    Stop,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, shop: Arc<Workshop>, bell: Arc<Bell>) -> Self {
        let pulse = {
            let (shop, bell) = (shop.clone(), bell.clone());
            Pulse::new(move || {
                shop.queue.pass_on(id);
                bell.is_stopped()
            })
        };
        let open_doors = shop.blueprints.iter().map(|_| None).collect();
        Worker {
            id,
            shop,
            bell,
            pulse,
            open_doors,
            doors: Vec::new(),
            opening: Rc::default(),
            sandboxes: FuturesUnordered::new(),
            taken_since_pause: 0,
            round: Rc::default(),
        }
    }

    /// Serves jobs until the worker is told to stop. `first` hears of the first sandbox of each module, which
    /// are then opened before any job asks for them.
    pub(crate) async fn serve(mut self, first: Vec<FirstOpening>) {
        for (module, hears) in first.into_iter().enumerate() {
            let door = self.open_sandbox(module, Some(hears));
            self.open_doors[module] = Some(door);
        }
        loop {
            match self.next_step().await {
                Step::Take(job) => {
                    self.seat(job);
                    self.pause_now_and_then().await;
                }
                Step::Ended(ended) => self.clear_away(ended),
                Step::Withdrawn(calls) => self.note_withdrawn(&calls),
                Step::Stop => return,
            }
        }
    }

    async fn pause_now_and_then(&mut self) {
        self.taken_since_pause += 1;
        if self.taken_since_pause == JOBS_BETWEEN_PAUSES {
            self.taken_since_pause = 0;
            tokio::task::yield_now().await;
        }
    }

    async fn next_step(&mut self) -> Step {
        poll_fn(|cx| self.poll_step(cx)).await
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let withdrawn = self.bell.listen(cx);
        if self.bell.is_stopped() {
            return Poll::Ready(Step::Stop);
        }
        if !withdrawn.is_empty() {
            return Poll::Ready(Step::Withdrawn(withdrawn));
        }
        self.pulse.take_busy();
        self.round.set(self.round.get() + 1);
        // This runs guest code, until all of it waits for something or the epoch asks for a pause.
        if let Poll::Ready(Some(ended)) = self.sandboxes.poll_next_unpin(cx) {
            return Poll::Ready(Step::Ended(ended));
        }
        let is_busy = self.pulse.take_busy() || self.opening.get() > 0;
        if is_busy || self.relieve_held_up() || self.awaited() >= self.shop.concurrency {
            // Whoever woke this worker for a job should find somebody else.
            self.shop.queue.pass_on(self.id);
            return Poll::Pending;
        }
        match self.shop.queue.poll_take(self.id, cx) {
            Poll::Ready(Some(job)) => Poll::Ready(Step::Take(job)),
            Poll::Ready(None) => Poll::Ready(Step::Stop),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Looks for sandboxes whose loop does not come by, because a guest waits in a way that holds up all of it.
    /// Others get what stands at the door. If calls are in there that nobody awaits, one of them may hold it for
    /// ever, and another sandbox takes its place. Returns true if one is left that only has to be waited for.
    fn relieve_held_up(&mut self) -> bool {
        let round = self.round.get();
        let is_held_up =
            |door: &&Rc<Door>| !door.is_closing() && door.was_polled_in(round) && !door.loop_came_by();
        let held_up: Vec<_> = self.doors.iter().filter(is_held_up).cloned().collect();
        let mut must_wait = false;
        for door in held_up {
            if door.abandoned() > 0 {
                self.retire(&door);
            } else {
                self.hand_back(door.take_waiting());
                must_wait = true;
            }
        }
        must_wait
    }

    /// Lets nobody into a sandbox any more, and gives back what has not begun; another is opened in its place.
    fn retire(&mut self, door: &Rc<Door>) {
        door.close();
        self.open_doors[door.module].take_if(|open| Rc::ptr_eq(open, door));
        self.hand_back(door.take_waiting());
    }

    fn awaited(&self) -> usize {
        self.doors.iter().map(|door| door.awaited()).sum()
    }

    fn seat(&mut self, job: Job) {
        if job.company == Company::Alone {
            let door = self.open_sandbox(job.module, None);
            door.admit(job);
            door.close();
            return;
        }
        let module = job.module;
        let door = match &self.open_doors[module] {
            Some(door) => door.clone(),
            None => self.open_sandbox(module, None),
        };
        door.admit(job);
        self.open_doors[module] = Some(door);
    }

    /// Begins to open a sandbox; its calls can come to the door meanwhile.
    fn open_sandbox(&mut self, module: usize, first: Option<FirstOpening>) -> Rc<Door> {
        let door = Door::new(module, self.id, self.bell.clone(), self.shop.tally.count_sandbox(self.id));
        let life =
            live(self.shop.clone(), self.id, door.clone(), self.pulse.clone(), self.opening.clone(), first);
        self.opening.set(self.opening.get() + 1);
        let (outside, round) = (door.clone(), self.round.clone());
        let mut life = life.boxed_local();
        let noted = poll_fn(move |cx| {
            outside.note_polled_in(round.get());
            life.poll_unpin(cx)
        });
        self.sandboxes.push(noted.boxed_local());
        self.doors.push(door.clone());
        door
    }

    fn clear_away(&mut self, ended: Ended) {
        let Ended { door, how } = ended;
        self.doors.retain(|other| !Rc::ptr_eq(other, &door));
        let open_door = &mut self.open_doors[door.module];
        if open_door.as_ref().is_some_and(|open| Rc::ptr_eq(open, &door)) {
            *open_door = None;
        }
        match how {
            Ok(departure) => {
                self.tell_retired(&door, departure);
                self.hand_back(door.take_waiting());
            }
            Err(reason) => self.not_opened(&door, reason),
        }
    }

    fn tell_retired(&self, door: &Door, departure: Departure) {
        let reason = match departure {
            // Besides those for one call, only what holds abandoned calls is closed while the pool goes on.
            Departure::Closed if door.served() > 1 => RetireReason::Abandoned,
            Departure::Closed => RetireReason::Used,
            Departure::Trapped => RetireReason::Trapped,
            Departure::Stuck => RetireReason::Stuck,
        };
        door.counted.retired(reason);
        self.shop.teller.tell(|| Event::SandboxRetired {
            module: self.shop.blueprints[door.module].name.clone(),
            worker: self.id,
            reason,
            served: door.served(),
        });
    }

    /// Gives jobs that have not begun back to the queue.
    fn hand_back(&self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            // A closed queue drops the job, whose reply then says that the pool is gone.
            let _ = self.shop.queue.push_front(job);
        }
    }

    fn not_opened(&self, door: &Door, reason: String) {
        let module = door.module;
        door.counted.not_opened();
        self.shop.teller.tell(|| Event::SandboxNotOpened {
            module: self.shop.blueprints[module].name.clone(),
            worker: self.id,
            reason: reason.clone(),
        });
        let in_a_row = self.shop.openings.failed(module);
        if !lifespan::gives_up_opening(in_a_row) {
            return self.hand_back(door.take_waiting());
        }
        for job in door.take_waiting().into_iter().chain(self.shop.queue.take_all_of(module)) {
            job.reply.answer(Ending::Failed(Failure::NotStarted { reason: reason.clone() }));
        }
    }

    fn note_withdrawn(&mut self, calls: &[CallId]) {
        for call in calls {
            let Some(door) = self.doors.iter().find(|door| door.abandon(*call)).cloned() else { continue };
            if lifespan::too_many_abandoned(door.abandoned(), self.shop.concurrency) {
                self.retire(&door);
            }
        }
    }
}
