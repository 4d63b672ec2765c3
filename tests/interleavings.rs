//! Anything in any order: calls, submissions, cancellations, drops, traps, time limits, impatient callers, replacements, and an end
//! by close or abort, over small pools with real guests. Every call is answered exactly once, and what the pools held
//! is free again: threads, permits, sandboxes.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use wasmpool::{CallError, CallId, Event, Events, Failure, Isolation, Outcome, Pool, PoolError, TaskModule};

use crate::guests::module;
use crate::support::{COUNTER, bounded, until};

/// Steps in each of the pools' lives.
const STEPS: usize = 400;

type Visit = (u64, u32);
type Answer = Result<Visit, CallError>;
type Waiting = FuturesUnordered<Pin<Box<dyn Future<Output = Expected>>>>;

/// What a caller got, and what he may have got.
enum Expected {
    /// An answer, or that the pool has ended.
    Visit(Answer),
    Trap(Answer),
    Cancelled(Answer),
    /// An answer, or that it came too late.
    Hurried(Answer),
    /// He went away.
    Nothing,
}

impl Expected {
    fn check(self, pool_may_be_closed: bool) {
        match self {
            Expected::Visit(Ok(_)) | Expected::Nothing => {}
            Expected::Trap(Err(CallError::Failed(Failure::Trapped(_)))) => {}
            // An answer may have been faster than the cancellation.
            Expected::Cancelled(Ok(_) | Err(CallError::Failed(Failure::Cancelled))) => {}
            Expected::Hurried(Ok(_) | Err(CallError::Failed(Failure::TimedOut(_)))) => {}
            Expected::Visit(answer)
            | Expected::Trap(answer)
            | Expected::Cancelled(answer)
            | Expected::Hurried(answer) => match answer {
                Err(CallError::Failed(Failure::Cancelled) | CallError::Pool(PoolError::Closed))
                    if pool_may_be_closed => {}
                other => panic!("{other:?}"),
            },
        }
    }
}

/// A pool and those who wait for its answers.
struct House {
    pool: Pool,
    counter: TaskModule,
    dice: fastrand::Rng,
    waiting: Waiting,
    is_closed: bool,
}

impl House {
    async fn build(seed: u64) -> (Self, Events) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let counter = module(COUNTER).await;
        let isolation =
            *dice.choice(&[Isolation::Shared, Isolation::Exclusive, Isolation::Fresh]).expect("one");
        let mut builder = wasmpool::PoolBuilder::new()
            .module("counter", counter.clone())
            .workers(1..=dice.usize(1..=3))
            .concurrency(dice.usize(1..=6))
            .isolation(isolation)
            .event_backlog(1 << 20);
        if dice.bool() {
            builder = builder.recycle_after(dice.u64(1..=20));
        }
        if dice.bool() {
            builder = builder.idle_timeout(Duration::from_millis(dice.u64(1..=50)));
        }
        let pool = builder.build().await.expect("the guest opens");
        let events = pool.events();
        (House { pool, counter, dice, waiting: Waiting::new(), is_closed: false }, events)
    }

    /// Does one thing of all that can be done to a pool.
    async fn step(&mut self) {
        let task = |name: &str| self.pool.task::<(u32,), Visit>(name).expect("a task");
        let ms = self.dice.u32(0..12);
        match self.dice.u32(0..100) {
            0..20 => {
                let call = task("stay").call((ms,));
                self.waiting.push(Box::pin(async move { Expected::Visit(call.await) }));
            }
            20..28 => self.hurry(ms),
            28..45 => {
                let call = task("stay").with_affinity(ms % 3).submit((ms,));
                self.waiting.push(Box::pin(async move { Expected::Visit(call.await) }));
            }
            45..52 => {
                let call = task(if ms.is_multiple_of(2) { "compute" } else { "block" }).submit((ms,));
                self.waiting.push(Box::pin(async move { Expected::Visit(call.await) }));
            }
            52..60 => {
                let call = task("spoil").submit((ms,));
                self.waiting.push(Box::pin(async move { Expected::Trap(call.await) }));
            }
            60..70 => {
                let (call, later) = (task("stay").submit((ms * 2,)), self.dice.u64(0..12));
                self.waiting.push(Box::pin(async move {
                    tokio::time::sleep(Duration::from_millis(later)).await;
                    call.cancel();
                    Expected::Cancelled(call.await)
                }));
            }
            70..78 => drop(task("stay").submit((ms,))),
            78..86 => self.lose_patience(ms),
            86..90 => match task("stay").try_call((ms,)) {
                Ok(call) => self.waiting.push(Box::pin(async move { Expected::Visit(call.await) })),
                Err(refused) => assert_eq!(refused.args, (ms,)),
            },
            90..93 => self.map_many(),
            93..94 => {
                let (pool, new) = (self.pool.clone(), self.counter.clone());
                self.waiting.push(Box::pin(async move {
                    match pool.replace("counter", new).await {
                        Ok(()) | Err(PoolError::Closed) => Expected::Nothing,
                        Err(other) => panic!("{other}"),
                    }
                }));
            }
            _ => {
                let answers = self.dice.usize(0..8);
                self.take_answers(answers).await;
            }
        }
    }

    /// Makes a call that has little time.
    fn hurry(&mut self, ms: u32) {
        let name = *self.dice.choice(&["stay", "compute", "block"]).expect("one");
        let task = self.pool.task::<(u32,), Visit>(name).expect("a task");
        let time = Duration::from_millis(self.dice.u64(1..30));
        let task = if self.dice.bool() { task.with_timeout(time) } else { task.with_deadline(time) };
        let call = task.submit((ms * 4,));
        self.waiting.push(Box::pin(async move { Expected::Hurried(call.await) }));
    }

    /// Maps over many inputs, most of which are done with at once, so that they travel together. Some are not, some
    /// trap, and whoever asked may lose interest in the middle.
    fn map_many(&mut self) {
        let inputs: Vec<u32> = (0..self.dice.usize(0..600))
            .map(|_| match self.dice.u32(0..100) {
                0..97 => 0,
                97..99 => self.dice.u32(1..20),
                _ => 20,
            })
            .collect();
        let interest = if self.dice.bool() { usize::MAX } else { self.dice.usize(0..600) };
        let in_order = self.dice.bool();
        let task = self.pool.task::<(u32,), Visit>("pass").expect("a task");
        let attempts = task.with_attempts(self.dice.u32(1..3));
        self.waiting.push(Box::pin(async move {
            let reports = attempts.map(inputs.clone());
            let mut reports = if in_order { reports } else { reports.as_completed() };
            let mut seen = vec![false; inputs.len()];
            let mut next = 0;
            while let Some(report) = reports.next().await {
                assert!(!std::mem::replace(&mut seen[report.index], true), "reported twice");
                assert!(!in_order || report.index == next, "out of order");
                next += 1;
                match (report.outcome, inputs[report.index]) {
                    (Outcome::Completed(_), 0..20) => {}
                    (Outcome::Failed(Failure::Trapped(_)), 20) => {}
                    // The pool was closed or aborted.
                    (Outcome::Failed(Failure::Cancelled), _) => return Expected::Nothing,
                    (outcome, input) => panic!("{input}: {outcome:?}"),
                }
                if next == interest {
                    return Expected::Nothing;
                }
            }
            assert!(seen.iter().all(|seen| *seen), "all inputs are answered");
            Expected::Nothing
        }));
    }

    /// Makes a call and goes away after a while.
    fn lose_patience(&mut self, ms: u32) {
        let name = *self.dice.choice(&["stay", "block"]).expect("one");
        let patience = Duration::from_millis(self.dice.u64(0..12));
        let call = self.pool.task::<(u32,), Visit>(name).expect("a task").call((ms,));
        self.waiting.push(Box::pin(async move {
            match tokio::time::timeout(patience, call).await {
                Ok(answer) => Expected::Visit(answer),
                Err(_) => Expected::Nothing,
            }
        }));
    }

    async fn take_answers(&mut self, count: usize) {
        for _ in 0..count {
            match bounded("an answer", self.waiting.next()).await {
                Some(expected) => expected.check(self.is_closed),
                None => return,
            }
        }
    }

    /// Ends the pool in one of three ways, while others still wait or after they have got their answers.
    async fn end(mut self) {
        if self.dice.bool() {
            self.take_answers(usize::MAX).await;
        }
        let pool = self.pool.clone();
        self.is_closed = true;
        let mut ending: Pin<Box<dyn Future<Output = ()>>> = match self.dice.u32(0..3) {
            0 => Box::pin(async move { pool.close().await }),
            1 => Box::pin(async move { pool.close_within(Duration::from_millis(3)).await }),
            _ => Box::pin(async move { pool.abort().await }),
        };
        bounded("the end", async {
            loop {
                tokio::select! {
                    () = &mut ending => return,
                    Some(expected) = self.waiting.next() => expected.check(true),
                }
            }
        })
        .await;
        self.take_answers(usize::MAX).await;
        let stats = self.pool.stats();
        assert_eq!((stats.workers, stats.calls_unanswered, stats.attempts_queued), (0, 0, 0));
    }
}

/// Checks by the events that each call ended once and no more, and that each sandbox that opened has ended.
async fn check_events(mut events: Events) {
    let (mut ended, mut open) = (HashMap::<CallId, u32>::new(), 0_i64);
    bounded("the last event", async {
        loop {
            match events.next().await.expect("it ends with PoolClosed").expect("the backlog is large enough")
            {
                Event::CallEnded { call, .. } => *ended.entry(call).or_default() += 1,
                Event::SandboxOpened { .. } => open += 1,
                Event::SandboxRetired { .. } => open -= 1,
                Event::PoolClosed => return,
                _ => {}
            }
        }
    })
    .await;
    assert!(ended.values().all(|times| *times == 1), "a call ended twice");
    let most = ended.keys().map(|call| call.get()).max().unwrap_or(0);
    assert_eq!(ended.len() as u64, most, "every call that was accepted has ended");
    // One was open before anybody listened.
    assert_eq!(open, -1);
}

#[tokio::test]
async fn whatever_happens_every_call_is_answered_once_and_all_is_given_back() {
    let seed = fastrand::u64(..);
    for life in 0..8 {
        let seed = seed.wrapping_add(life);
        eprintln!("life {life}: seed {seed}");
        let (mut house, events) = House::build(seed).await;
        let permits = house.pool.stats().permits_free;
        for _ in 0..STEPS {
            house.step().await;
        }
        if house.dice.bool() {
            house.take_answers(usize::MAX).await;
            let pool = house.pool.clone();
            until("all permits", || pool.stats().permits_free == permits).await;
        }
        house.end().await;
        check_events(events).await;
    }
}
