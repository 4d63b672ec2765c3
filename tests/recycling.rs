//! When a sandbox is replaced by a new one, as a guest sees it that counts its calls.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use wasmpool::{Event, Isolation, Pool, PoolError, RetireReason};

use crate::command_support::{end_of, wasmpool};
use crate::guests::component;
use crate::support::{COUNTER, bounded, builder, find_event, rest_of, until};

type Visit = (u64, u32);

/// How many calls each sandbox has seen.
fn by_sandbox(visits: &[Visit]) -> HashMap<u64, u32> {
    let mut most: HashMap<u64, u32> = HashMap::new();
    for (name, count) in visits {
        let most = most.entry(*name).or_default();
        *most = (*most).max(*count);
    }
    most
}

async fn visits(pool: &Pool, calls: usize) -> Vec<Visit> {
    let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
    let calls = (0..calls).map(|call| stay.call((call as u32 % 4,)));
    bounded("all calls", join_all(calls)).await.into_iter().map(|visit| visit.expect("a visit")).collect()
}

fn retired(events: &[Event], wanted: RetireReason) -> Vec<u64> {
    let served = |event: &Event| match event {
        Event::SandboxRetired { reason, served, .. } if *reason == wanted => Some(*served),
        _ => None,
    };
    events.iter().filter_map(served).collect()
}

#[tokio::test]
async fn no_sandbox_serves_more_calls_than_it_may_and_none_is_lost() {
    for isolation in [Isolation::Shared, Isolation::Exclusive] {
        let builder = builder(COUNTER, 2, 16).await.isolation(isolation).recycle_after(10);
        let pool = builder.build().await.expect("the guest opens");
        let events = pool.events();
        let visits = visits(&pool, 1_000).await;
        assert_eq!(visits.len(), 1_000);
        let counts = by_sandbox(&visits);
        assert!(counts.values().all(|count| *count <= 10), "{isolation:?}: {counts:?}");
        assert_eq!(counts.values().sum::<u32>(), 1_000, "every call was counted once");
        pool.close().await;
        let served = retired(&rest_of(events).await, RetireReason::CallLimit);
        assert!(served.iter().all(|served| *served == 10), "{isolation:?}: {served:?}");
        assert!(served.len() >= 1_000 / 10 - 2 * 16, "{isolation:?}: {}", served.len());
    }
}

#[tokio::test]
async fn one_worker_and_one_call_at_a_time_recycle_to_the_letter() {
    let pool = builder(COUNTER, 1, 1).await.recycle_after(3).build().await.expect("the guest opens");
    let visit = pool.task::<(), Visit>("visit").expect("a task");
    let mut counts = Vec::new();
    for _ in 0..10 {
        counts.push(bounded("a call", visit.call(())).await.expect("a visit").1);
    }
    assert_eq!(counts, [1, 2, 3, 1, 2, 3, 1, 2, 3, 1]);
    pool.close().await;
}

#[tokio::test]
async fn a_retiring_sandbox_finishes_its_calls_while_its_replacement_serves() {
    let pool = builder(COUNTER, 1, 16).await.recycle_after(2).build().await.expect("the guest opens");
    let (stay, visit) = (
        pool.task::<(u32,), Visit>("stay").expect("a task"),
        pool.task::<(), Visit>("visit").expect("a task"),
    );
    let mut events = pool.events();
    let long = stay.submit((5_000,));
    find_event(&mut events, "the start", |event| matches!(event, Event::AttemptStarted { .. }).then_some(()))
        .await;
    let second = bounded("a call", visit.call(())).await.expect("a visit");
    let third = bounded("a call", visit.call(())).await.expect("a visit");
    assert_ne!(second.0, third.0);
    assert!(!long.is_finished(), "it is still in the old sandbox");
    assert_eq!(bounded("the long one", long).await.expect("a visit"), (second.0, 1));
    pool.close().await;
}

#[tokio::test]
async fn a_sandbox_is_replaced_when_it_is_old() {
    let builder = builder(COUNTER, 1, 4).await.recycle_age(Duration::from_millis(50));
    let pool = builder.build().await.expect("the guest opens");
    let mut events = pool.events();
    let visit = pool.task::<(), Visit>("visit").expect("a task");
    let before = bounded("a call", visit.call(())).await.expect("a visit");
    let aged = |event: &Event| {
        matches!(event, Event::SandboxRetired { reason: RetireReason::Age, .. }).then_some(())
    };
    find_event(&mut events, "an old sandbox", aged).await;
    let after = bounded("a call", visit.call(())).await.expect("a visit");
    assert_ne!(before.0, after.0);
    assert_eq!(after.1, 1);
    pool.close().await;
}

#[tokio::test]
async fn a_sandbox_is_replaced_when_it_has_grown() {
    let builder = builder(COUNTER, 1, 1).await.recycle_memory_bytes(16 << 20).recycle_spread(0.0);
    let pool = builder.build().await.expect("the guest opens");
    let events = pool.events();
    let keep = pool.task::<(u32,), Visit>("keep").expect("a task");
    let mut counts = Vec::new();
    for _ in 0..9 {
        counts.push(bounded("a call", keep.call((6 << 10,))).await.expect("a visit").1);
    }
    // Three times 6 MiB are more than 16 MiB, and twice with all that a guest has besides are not.
    assert_eq!(counts, [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    pool.close().await;
    // The pool may end before the worker has looked at the last one.
    assert_eq!(retired(&rest_of(events).await, RetireReason::MemoryLimit)[..2], [3, 3]);
}

#[tokio::test]
async fn an_idle_sandbox_is_closed_and_opened_again_when_a_call_comes() {
    for isolation in [Isolation::Shared, Isolation::Exclusive] {
        let builder =
            builder(COUNTER, 1, 4).await.isolation(isolation).idle_timeout(Duration::from_millis(30));
        let pool = builder.build().await.expect("the guest opens");
        let mut events = pool.events();
        let stay = pool.task::<(u32,), Visit>("stay").expect("a task");
        let before = bounded("a call", stay.call((200,))).await.expect("a visit");
        let idle = |event: &Event| match event {
            Event::SandboxRetired { reason: RetireReason::Idle, served, .. } => Some(*served),
            _ => None,
        };
        // The one that `build` opened may have been idle before; the one that was used was not while it was used.
        while find_event(&mut events, "an idle sandbox", idle).await == 0 {}
        let after = bounded("a call", stay.call((1,))).await.expect("a visit");
        assert_ne!(before.0, after.0, "{isolation:?}");
        pool.close().await;
    }
}

#[tokio::test]
async fn workers_come_while_calls_wait_and_go_when_they_are_idle() {
    let builder = Pool::builder(crate::guests::module(COUNTER).await)
        .workers(1..=3)
        .concurrency(1)
        .idle_timeout(Duration::from_millis(200));
    let pool = builder.build().await.expect("the guest opens");
    assert_eq!(pool.stats().workers, 1);
    let compute = pool.task::<(u32,), Visit>("compute").expect("a task");
    let calls: Vec<_> = (0..30).map(|_| compute.submit((50,))).collect();
    until("more workers", || pool.stats().workers == 3).await;
    let all = bounded("all calls", join_all(calls)).await;
    let visits: Vec<_> = all.into_iter().map(|visit| visit.expect("a visit")).collect();
    assert!(by_sandbox(&visits).len() >= 3, "all workers took part");
    until("fewer workers", || pool.stats().workers == 1).await;
    // They come again.
    let calls: Vec<_> = (0..20).map(|_| compute.submit((50,))).collect();
    until("more workers", || pool.stats().workers > 1).await;
    assert!(bounded("all calls", join_all(calls)).await.iter().all(Result::is_ok));
    pool.close().await;
    assert_eq!(pool.stats().workers, 0);
}

#[tokio::test]
async fn settings_out_of_range_are_named() {
    let complaint = async |builder: wasmpool::PoolBuilder| match builder.build().await {
        Err(error @ PoolError::BadSetting { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a pool"),
    };
    let builder = async || Pool::builder(crate::guests::module(COUNTER).await);
    assert!(complaint(builder().await.recycle_after(0)).await.starts_with("recycle_after: "));
    assert!(complaint(builder().await.recycle_spread(1.5)).await.starts_with("recycle_spread: "));
    assert!(complaint(builder().await.recycle_age(Duration::ZERO)).await.starts_with("recycle_age: "));
    assert!(complaint(builder().await.idle_timeout(Duration::ZERO)).await.starts_with("idle_timeout: "));
    assert!(complaint(builder().await.idle_timeout(Duration::MAX)).await.starts_with("idle_timeout: "));
    assert!(complaint(builder().await.workers(0)).await.starts_with("workers: "));
    #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
    let empty = builder().await.workers(4..=2);
    assert!(complaint(empty).await.starts_with("workers: "));
}

#[test]
fn the_command_recycles_too() {
    let ran = end_of(
        wasmpool(["map"])
            .arg(component(COUNTER))
            .args(["stay", "--input", "-", "--values", "-w", "1..2", "-c", "5", "--recycle-after", "7"])
            .write_stdin("1\n".repeat(100)),
    )
    .exits(0);
    let visits: Vec<Visit> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("a visit")).collect();
    let counts = by_sandbox(&visits);
    assert_eq!((visits.len(), counts.values().sum::<u32>()), (100, 100));
    assert!(counts.values().all(|count| *count <= 7), "{counts:?}");
    for (flags, complaint) in [
        (["--recycle-after", "0"], "--recycle-after: "),
        (["--recycle-age", "soon"], "--recycle-age"),
        (["--recycle-memory", "much"], "--recycle-memory"),
        (["--idle-timeout", "0s"], "--idle-timeout: "),
        (["-w", "3..2"], "--workers: "),
        (["-w", "a..b"], "--workers"),
    ] {
        end_of(wasmpool(["run"]).arg(component(COUNTER)).arg("visit").args(flags)).exits(2).says(complaint);
    }
}
