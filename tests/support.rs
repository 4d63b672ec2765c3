//! What the tests of the pool share: pools over the misbehaving guests, waits that are bounded and end by a
//! fact, and a look into events. Nothing here sleeps for luck: who waits, waits for an event, a count or an end.

use std::future::Future;
use std::time::Duration;

use wasmpool::{CallError, CallId, Event, Events, Failure, Outcome, Pool, PoolBuilder, Trap};

use crate::guests::module;

pub(crate) const BASICS: &str = "tests/guests/basics";
pub(crate) const STATEFUL: &str = "tests/guests/stateful";
pub(crate) const COUNTER: &str = "tests/guests/counter";
pub(crate) const SYNC_ONLY: &str = "tests/guests/sync-only";
pub(crate) const SNAPSHOT: &str = "tests/guests/snapshot";
pub(crate) const HOSTILE: &str = "tests/guests/hostile";
pub(crate) const RAW: &str = "tests/guests/raw";
pub(crate) const GRANTS: &str = "tests/guests/grants";

/// Starts to build a pool over one of the guests, with the two numbers that most tests care about.
pub(crate) async fn builder(guest: &str, workers: usize, concurrency: usize) -> PoolBuilder {
    Pool::builder(module(guest).await).workers(workers).concurrency(concurrency)
}

/// Builds a pool over the guest `basics`.
pub(crate) async fn basics(workers: usize, concurrency: usize) -> Pool {
    builder(BASICS, workers, concurrency).await.build().await.expect("the guest opens")
}

/// Bounds a wait that must end: no test of a pool may hang, and none ends by luck.
pub(crate) async fn bounded<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(120), work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} hangs"),
    }
}

/// Waits until `is_so`; for what nobody tells.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    bounded(what, async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Waits for the first event in which `find` finds something.
pub(crate) async fn find_event<T>(
    events: &mut Events,
    what: &str,
    mut find: impl FnMut(&Event) -> Option<T>,
) -> T {
    bounded(what, async {
        loop {
            let event = events.next().await.expect("the pool is alive").expect("the listener keeps up");
            if let Some(found) = find(&event) {
                return found;
            }
        }
    })
    .await
}

/// Waits until a guest says `line`, and returns the call that said it.
pub(crate) async fn hear(events: &mut Events, line: &str) -> CallId {
    find_event(events, line, |event| match event {
        Event::GuestLine { attempt: Some(attempt), text, .. } if text == line => Some(attempt.call),
        _ => None,
    })
    .await
}

/// Takes all events up to the pool's end.
pub(crate) async fn rest_of(mut events: Events) -> Vec<Event> {
    let mut all = Vec::new();
    bounded("the end of a pool's events", async {
        loop {
            let event = events.next().await.expect("the pool is alive").expect("the listener keeps up");
            let is_last = matches!(event, Event::PoolClosed);
            all.push(event);
            if is_last {
                return all;
            }
        }
    })
    .await
}

/// The trap in an outcome that must be one.
pub(crate) fn trap_of<Out: std::fmt::Debug, E: std::fmt::Debug>(outcome: &Outcome<Out, E>) -> &Trap {
    match outcome {
        Outcome::Failed(Failure::Trapped(trap)) => trap,
        other => panic!("not a trap: {other:?}"),
    }
}

/// The failure in a result that must have one.
pub(crate) fn failure_of<Out: std::fmt::Debug, E: std::fmt::Debug>(
    result: Result<Out, CallError<E>>,
) -> Failure {
    match result {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("not a failure: {other:?}"),
    }
}
