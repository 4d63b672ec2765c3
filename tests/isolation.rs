//! Which calls share a sandbox, as a guest sees it that counts its calls and knows its sandbox by name.

use std::collections::{HashMap, HashSet};

use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};
use wasmpool::{Event, Isolation, Pool, RetireReason};

use crate::command_support::{end_of, wasmpool};
use crate::guests::component;
use crate::support::{COUNTER, STATEFUL, SYNC_ONLY, bounded, builder, find_event, rest_of, until};

/// A sandbox's name, and how many calls it has seen.
type Visit = (u64, u32);

async fn pool(isolation: Isolation, workers: usize, concurrency: usize) -> Pool {
    builder(COUNTER, workers, concurrency).await.isolation(isolation).build().await.expect("the guest opens")
}

async fn stays(pool: &Pool, calls: usize) -> Vec<Visit> {
    let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
    let calls = (0..calls).map(|_| stay.call((20,)));
    bounded("all calls", join_all(calls)).await.into_iter().map(|visit| visit.expect("a visit")).collect()
}

fn sandboxes(visits: &[Visit]) -> HashSet<u64> {
    visits.iter().map(|(name, _)| *name).collect()
}

#[tokio::test]
async fn shared_calls_of_a_worker_share_one_sandbox() {
    let pool = pool(Isolation::Shared, 1, 16).await;
    let visits = stays(&pool, 50).await;
    assert_eq!(sandboxes(&visits).len(), 1);
    let mut counts: Vec<_> = visits.iter().map(|(_, count)| *count).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=50).collect::<Vec<_>>());
    pool.close().await;
}

#[tokio::test]
async fn exclusive_calls_at_the_same_time_have_sandboxes_of_their_own_which_are_used_again() {
    let pool = pool(Isolation::Exclusive, 1, 4).await;
    let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
    let first: Vec<_> = (0..4).map(|_| stay.submit((2_000,))).collect();
    until("four at the same time", || pool.stats().calls_running == 4).await;
    let mut visits: Vec<_> =
        bounded("calls", join_all(first)).await.into_iter().map(Result::unwrap).collect();
    visits.extend(stays(&pool, 40).await);
    assert_eq!(sandboxes(&visits).len(), 4, "as many as calls at the same time");
    assert_eq!(visits.iter().filter(|(_, count)| *count == 1).count(), 4);
    // One after the other, the one that was used last is used again.
    let visit = pool.task::<(), Visit>("visit").expect("a task");
    let one = bounded("a call", visit.call(())).await.expect("a visit");
    let other = bounded("a call", visit.call(())).await.expect("a visit");
    assert_eq!((one.0, one.1 + 1), other);
    assert_eq!(pool.stats().sandboxes_opened, 4);
    pool.close().await;
}

#[tokio::test]
async fn exclusive_calls_that_block_their_sandbox_do_not_wait_for_each_other() {
    let pool = pool(Isolation::Exclusive, 1, 8).await;
    let block = pool.task::<(u32,), Visit>("block").expect("a task");
    let calls: Vec<_> = (0..8).map(|_| block.submit((400,))).collect();
    until("all block at the same time", || pool.stats().calls_running == 8).await;
    let visits: Vec<_> =
        bounded("all calls", join_all(calls)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(sandboxes(&visits).len(), 8);
    pool.close().await;
}

#[tokio::test]
async fn fresh_calls_wait_side_by_side_for_initializers_that_wait() {
    let builder = builder(STATEFUL, 1, 8).await.isolation(Isolation::Fresh).init_args(("ok", 300));
    let pool = builder.build().await.expect("the guest opens");
    let count = pool.task::<(), u32>("count").expect("a task");
    let calls: Vec<_> = (0..16).map(|_| count.submit(())).collect();
    until("many open at the same time", || pool.stats().sandboxes_opening >= 7).await;
    let counts = bounded("all calls", join_all(calls)).await;
    assert!(counts.into_iter().all(|count| count.expect("a count") == 1));
    pool.close().await;
}

#[tokio::test]
async fn what_waits_behind_a_call_that_blocks_its_sandbox_is_served_elsewhere() {
    // The second call of a sandbox is its last, so that the door is closed when the first one blocks.
    let builder = builder(COUNTER, 1, 8).await.isolation(Isolation::Shared).recycle_after(2);
    let pool = builder.build().await.expect("the guest opens");
    let block = pool.task::<(u32,), Visit>("block").expect("a task");
    let visit = pool.task::<(), Visit>("visit").expect("a task");
    let mut events = pool.events();
    let blocking = block.submit((60_000,));
    find_event(&mut events, "the start", |event| matches!(event, Event::AttemptStarted { .. }).then_some(()))
        .await;
    bounded("a call", visit.call(())).await.expect("a visit");
    assert!(!blocking.is_finished());
    pool.abort().await;
}

#[tokio::test]
async fn fresh_calls_each_have_a_new_sandbox_by_types_and_by_json() {
    let pool = pool(Isolation::Fresh, 2, 8).await;
    let events = pool.events();
    let mut visits = stays(&pool, 60).await;
    let stay = pool.json_task("stay").expect("a task");
    let reports: Vec<_> = bounded("a map", stay.map((0..40).map(|_| json!(1))).collect()).await;
    visits.extend(reports.into_iter().map(|report| {
        let visit: Value = report.value().expect("a visit");
        (visit[0].as_u64().expect("a name"), visit[1].as_u64().expect("a count") as u32)
    }));
    assert_eq!(sandboxes(&visits).len(), 100);
    assert!(visits.iter().all(|(_, count)| *count == 1), "{visits:?}");
    pool.close().await;
    let used =
        |event: &&Event| matches!(event, Event::SandboxRetired { reason: RetireReason::Used, served: 1, .. });
    assert_eq!(rest_of(events).await.iter().filter(used).count(), 100);
}

#[tokio::test]
async fn a_module_without_async_tasks_is_exclusive_unless_told_otherwise() {
    let pool = builder(SYNC_ONLY, 1, 4).await.build().await.expect("the guest opens");
    let count = pool.json_task("count").expect("a task");
    let one_by_one: Vec<_> = bounded("calls", count.map((0..3).map(|_| json!([]))).collect()).await;
    assert_eq!(one_by_one.len(), 3);
    pool.close().await;
}

#[tokio::test]
async fn calls_of_one_key_go_to_one_sandbox() {
    for isolation in [Isolation::Shared, Isolation::Exclusive] {
        let pool = pool(isolation, 2, 4).await;
        let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
        let calls = (0..120).map(|call| {
            let key = call % 6;
            let call = stay.with_affinity(("user", key)).call((call % 5,));
            async move { (key, call.await.expect("a visit").0) }
        });
        let mut homes: HashMap<u32, HashSet<u64>> = HashMap::new();
        for (key, name) in bounded("all calls", join_all(calls)).await {
            homes.entry(key).or_default().insert(name);
        }
        assert!(homes.values().all(|names| names.len() == 1), "{isolation:?}: {homes:?}");
        let all: HashSet<_> = homes.values().flatten().collect();
        assert!(all.len() > 1, "{isolation:?}: keys are spread over the sandboxes");
        pool.close().await;
    }
}

#[tokio::test]
async fn a_key_finds_a_new_home_when_its_sandbox_is_gone() {
    let pool = pool(Isolation::Exclusive, 2, 2).await;
    let visit = pool.task::<(), Visit>("visit").expect("a task").with_affinity(7);
    let spoil = pool.task::<(u32,), Visit>("spoil").expect("a task").with_affinity(7);
    let before = bounded("a call", visit.call(())).await.expect("a visit");
    bounded("a trap", spoil.call((1,))).await.expect_err("it panics");
    let after = bounded("a call", visit.call(())).await.expect("a visit");
    let again = bounded("a call", visit.call(())).await.expect("a visit");
    assert_ne!(before.0, after.0);
    assert_eq!(again, (after.0, 2));
    pool.close().await;
}

#[tokio::test]
async fn two_modules_of_one_pool_have_sandboxes_of_their_own() {
    let counter = crate::guests::module(COUNTER).await;
    let pool = Pool::builder(counter.clone())
        .module("other", counter)
        .workers(1)
        .concurrency(4)
        .isolation(Isolation::Exclusive)
        .build()
        .await
        .expect("the guest opens");
    let name = |task: &str| pool.task::<(), Visit>(task).expect("a task");
    let (one, other) = (name("guest_counter/visit"), name("other/visit"));
    for count in 1..=20 {
        let one = bounded("a call", one.call(())).await.expect("a visit");
        let other = bounded("a call", other.call(())).await.expect("a visit");
        assert_ne!(one.0, other.0);
        assert_eq!((one.1, other.1), (count, count));
    }
    pool.close().await;
}

#[test]
fn the_command_has_all_three() {
    let visits = |isolation: &str| {
        let ran = end_of(wasmpool(["map"]).arg(component(COUNTER)).args([
            "visit",
            "--times",
            "30",
            "--values",
            "-w",
            "1",
            "-c",
            "3",
            "--isolation",
            isolation,
        ]))
        .exits(0);
        let visits: Vec<Visit> =
            ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a visit")).collect();
        assert_eq!(visits.len(), 30);
        let most = visits.iter().map(|(_, count)| *count).max();
        (sandboxes(&visits).len(), most)
    };
    assert_eq!(visits("shared"), (1, Some(30)));
    assert_eq!(visits("fresh"), (30, Some(1)));
    let (exclusive, _) = visits("exclusive");
    assert!((1..=3).contains(&exclusive), "{exclusive}");
    end_of(wasmpool(["map"]).arg(component(COUNTER)).args(["visit", "--isolation", "none"]))
        .exits(2)
        .says("--isolation");
}
