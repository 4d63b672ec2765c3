//! Callers who leave, wherever their calls are at that moment, keep nobody else from being served.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use wasmpool::{Event, Isolation, Pool, RetireReason};

use crate::guests::module;
use crate::support::{COUNTER, STATEFUL, bounded, builder, find_event, until};

type Visit = (u64, u32);

const LONG_MS: u32 = 600_000;

async fn exclusive(concurrency: usize) -> Pool {
    let builder = builder(COUNTER, 1, concurrency).await.isolation(Isolation::Exclusive);
    builder.build().await.expect("the guest opens")
}

#[tokio::test]
async fn a_key_whose_call_was_dropped_is_served_elsewhere_and_so_are_all_others() {
    let pool = exclusive(4).await;
    let mut events = pool.events();
    let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
    let keyed = stay.with_affinity(7);
    let first = keyed.submit((LONG_MS,));
    find_event(&mut events, "the start", |event| matches!(event, Event::AttemptStarted { .. }).then_some(()))
        .await;
    // These wait at the door of the first one's sandbox.
    let behind: Vec<_> = (0..3).map(|_| keyed.submit((LONG_MS,))).collect();
    until("all are seated", || pool.stats().attempts_queued == 0).await;
    drop(behind);
    bounded("a call without a key", stay.call((1,))).await.expect("a visit");
    drop(first);
    bounded("a call of the key", keyed.call((1,))).await.expect("a visit");
    pool.abort().await;
}

#[tokio::test]
async fn calls_dropped_while_their_sandboxes_open_make_room_for_others() {
    let slow = module(STATEFUL).await;
    let pool = Pool::builder(module(COUNTER).await)
        .module("slow", slow)
        .init_args(("ok", 3_000))
        .workers(1)
        .concurrency(4)
        .isolation(Isolation::Fresh)
        .build()
        .await
        .expect("the guests open");
    let count = pool.task::<(), u32>("slow/count").expect("a task");
    // One for the sandbox that `build` opened, and four that have to wait for theirs.
    bounded("the first", count.call(())).await.expect("a count");
    let slow: Vec<_> = (0..4).map(|_| count.submit(())).collect();
    until("all are seated", || pool.stats().attempts_queued == 0).await;
    drop(slow);
    let opened = pool.stats().sandboxes_opened;
    let visit = pool.task::<(), Visit>("visit").expect("a task");
    bounded("a call of the other module", visit.call(())).await.expect("a visit");
    assert!(pool.stats().sandboxes_opened <= opened + 1, "it did not wait for the slow ones");
    until("the openings are given up", || pool.stats().sandboxes_opening == 0).await;
    pool.abort().await;
}

#[tokio::test]
async fn a_sandbox_whose_call_was_dropped_while_it_opened_serves_the_next() {
    let builder = builder(STATEFUL, 1, 4).await.isolation(Isolation::Exclusive).init_args(("ok", 300));
    let pool = builder.build().await.expect("the guest opens");
    let count_later = pool.task::<(u32,), u32>("count-later").expect("a task");
    let first: Vec<_> = (0..4).map(|_| count_later.submit((LONG_MS,))).collect();
    until("three more open", || pool.stats().sandboxes_opening == 3).await;
    drop(first);
    until("they are open", || pool.stats().sandboxes_opening == 0).await;
    // The first one's call is in its sandbox for long; its place is taken by one more.
    let calls = bounded("calls", join_all((0..4).map(|_| count_later.call((300,))))).await;
    assert!(calls.iter().all(Result::is_ok));
    assert_eq!(pool.stats().sandboxes_opened, 5);
    pool.abort().await;
}

#[tokio::test]
async fn sandboxes_that_one_module_keeps_do_not_keep_another_from_opening() {
    let counter = module(COUNTER).await;
    let pool = Pool::builder(counter.clone())
        .module("b", counter)
        .workers(1)
        .concurrency(8)
        .isolation(Isolation::Exclusive)
        .build()
        .await
        .expect("the guest opens");
    for name in ["guest_counter/stay", "b/stay"] {
        let stay = pool.task::<(u32,), Visit>(name).expect("a task");
        let abandoned: Vec<_> =
            (0..7).map(|_| stay.submit((if name == "b/stay" { LONG_MS } else { 300 },))).collect();
        until("all run", || pool.stats().calls_running == 7).await;
        drop(abandoned);
        let calls = bounded("calls", join_all((0..8).map(|_| stay.call((100,))))).await;
        assert!(calls.iter().all(Result::is_ok));
    }
    pool.abort().await;
}

#[tokio::test]
async fn a_long_call_of_a_retiring_sandbox_outlives_a_neighbour_that_was_dropped() {
    let pool = builder(COUNTER, 1, 8).await.recycle_after(2).build().await.expect("the guest opens");
    let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
    let (kept, dropped) = (stay.submit((12_000,)), stay.submit((LONG_MS,)));
    until("both run", || pool.stats().calls_running == 2).await;
    drop(dropped);
    let report = bounded("the long call", kept.report()).await.expect("accepted");
    assert!(report.is_completed());
    assert_eq!(report.interruptions, 0);
    pool.close().await;
}

#[tokio::test]
async fn a_sandbox_that_takes_longer_to_open_than_it_may_be_idle_opens() {
    for isolation in [Isolation::Shared, Isolation::Exclusive] {
        let builder = builder(STATEFUL, 1, 4).await.isolation(isolation).init_args(("ok", 500));
        let building = builder.idle_timeout(Duration::from_millis(20)).build();
        let pool = bounded("the build", building).await.expect("the guest opens");
        let mut events = pool.events();
        let count = pool.task::<(), u32>("count").expect("a task");
        bounded("a call", count.call(())).await.expect("a count");
        find_event(&mut events, "the end of an idle sandbox", |event| {
            matches!(event, Event::SandboxRetired { reason: RetireReason::Idle, .. }).then_some(())
        })
        .await;
        pool.close().await;
    }
}

#[tokio::test]
async fn keys_that_came_one_after_another_do_not_share_a_sandbox_while_there_may_be_more() {
    let pool = exclusive(8).await;
    let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
    let mut homes = HashSet::new();
    for key in 0..8 {
        homes.insert(bounded("a call", stay.with_affinity(key).call((1,))).await.expect("a visit").0);
    }
    assert_eq!(homes.len(), 8);
    pool.close().await;
}
