//! The pool's numbers: each is seen to move, and what goes up comes down again, whatever happens to calls, sandboxes
//! and workers.

use std::collections::BTreeMap;
use std::time::Duration;

use wasmpool::{Pool, RetireReason, Stats, TimeSummary};

use crate::init::{pool_that_opens_no_more, stateful};
use crate::support::{STATEFUL, basics, bounded, builder, failure_of, hear, until};
use crate::types::User;

/// Closes a pool and returns its last numbers, of which all must be zero that count what there is.
async fn close(pool: &Pool) -> Stats {
    bounded("close", pool.close()).await;
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.sandboxes()), (0, 0), "{stats:?}");
    let calls = (stats.calls_unanswered, stats.calls_running, stats.calls_waiting(), stats.attempts_queued);
    assert_eq!(calls, (0, 0, 0, 0), "{stats:?}");
    let retired: u64 = stats.sandboxes_retired.values().sum();
    assert_eq!(stats.sandboxes_opened, retired, "{stats:?}");
    stats
}

fn assert_in_order(times: &TimeSummary) {
    assert!(times.p50 <= times.p90 && times.p90 <= times.p99 && times.p99 <= times.max, "{times:?}");
    assert!(times.mean <= times.max, "{times:?}");
}

#[tokio::test]
async fn a_new_pool_has_its_workers_and_one_sandbox() {
    let pool = basics(3, 4).await;
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.sandboxes_serving, stats.sandboxes()), (3, 1, 1));
    assert_eq!((stats.sandboxes_opened, stats.calls_done()), (1, 0));
    assert_eq!((stats.waiting, stats.running), (TimeSummary::default(), TimeSummary::default()));
    let stats = close(&pool).await;
    assert_eq!(stats.sandboxes_retired, BTreeMap::from([(RetireReason::Closed, 1)]));
}

#[tokio::test]
async fn calls_are_counted_while_they_wait_and_while_they_run() {
    let pool = basics(1, 2).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let running = [hang.submit(("one".to_owned(),)), hang.submit(("other".to_owned(),))];
    hear(&mut events, "one").await;
    hear(&mut events, "other").await;
    let queued: Vec<_> = (0..3).map(|_| hang.submit(("never".to_owned(),))).collect();
    let stats = pool.stats();
    assert_eq!((stats.calls_unanswered, stats.calls_running, stats.calls_waiting()), (5, 2, 3));
    assert_eq!((stats.attempts_queued, stats.permits_free), (3, 64 - 5));
    drop(queued);
    drop(running);
    let stats = pool.stats();
    assert_eq!((stats.calls_unanswered, stats.calls_running), (0, 0), "the guest that hangs runs for nobody");
    assert_eq!(stats.calls_failed, BTreeMap::from([("cancelled", 5)]));
    assert_eq!((stats.waiting.count, stats.running.count), (5, 2), "three never ran");
    close(&pool).await;
}

#[tokio::test]
async fn calls_done_are_counted_by_how_they_ended() {
    let pool = basics(2, 4).await;
    let mut events = pool.events();
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    for n in 0..5 {
        bounded("a sum", add.call((n, n))).await.expect("a sum");
    }
    let fail = pool.task::<(String,), u32>("fail").expect("a task");
    bounded("the failure", fail.call(("no".to_owned(),))).await.expect_err("it fails");
    let boom = pool.task::<(u32,), u32>("boom").expect("a task");
    failure_of(bounded("the trap", boom.call((0,))).await);
    let json = pool.json_task("add").expect("a task");
    failure_of(bounded("the bad input", json.call("not two numbers".into())).await);
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let deadly = User::that_panics("Deadly to statistics", u32::MAX);
    failure_of(bounded("the loss", echo.call((deadly,))).await);
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let hanging = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    hanging.cancel();
    let stats = pool.stats();
    assert_eq!(stats.calls_completed, 5);
    let failed = [("bad-input", 1), ("cancelled", 1), ("interrupted", 1), ("task-error", 1), ("trapped", 1)];
    assert_eq!(stats.calls_failed, BTreeMap::from(failed));
    assert_eq!((stats.calls_done(), stats.calls_failed_as("trapped")), (10, 1));
    assert_eq!(stats.calls_failed_as("not-started"), 0);
    assert_eq!(stats.attempts_run_again, 7, "it is given up at the eighth loss");
    assert_eq!((stats.waiting.count, stats.running.count), (9, 9), "bad input never waited");
    close(&pool).await;
}

#[tokio::test]
async fn times_are_those_of_the_reports() {
    let pool = basics(2, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let mut longest = Duration::ZERO;
    for call in (0..20).map(|_| sleep.submit((20,))).collect::<Vec<_>>() {
        let report = bounded("a sleeper", call.report()).await.expect("accepted");
        longest = longest.max(report.running);
    }
    let stats = pool.stats();
    assert_eq!((stats.waiting.count, stats.running.count), (20, 20));
    assert_in_order(&stats.waiting);
    assert_in_order(&stats.running);
    assert!(stats.running.p50 >= Duration::from_millis(20), "{:?}", stats.running);
    let difference = stats.running.max.abs_diff(longest);
    assert!(difference <= longest / 100, "{longest:?} was the longest: {:?}", stats.running);
    close(&pool).await;
}

#[tokio::test]
async fn a_sandbox_is_counted_while_it_opens() {
    let pool = builder(STATEFUL, 1, 4).await.init_args(("ok", 1_000u32)).build().await.expect("it opens");
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    let ping = pool.task::<(), u32>("ping").expect("a task");
    failure_of(bounded("the trap", spoil.call(())).await);
    let waits = ping.submit(());
    until("the opening", || pool.stats().sandboxes_opening == 1).await;
    let stats = pool.stats();
    assert_eq!((stats.sandboxes_serving, stats.sandboxes(), stats.calls_waiting()), (0, 1, 1));
    assert_eq!(stats.sandboxes_retired, BTreeMap::from([(RetireReason::Trapped, 1)]));
    assert_eq!(bounded("the ping", waits).await.expect("an answer"), 1);
    assert_eq!((pool.stats().sandboxes_opening, pool.stats().sandboxes_serving), (0, 1));
    close(&pool).await;
}

#[tokio::test]
async fn openings_that_fail_are_counted() {
    let pool = pool_that_opens_no_more(1).await;
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    failure_of(bounded("the trap", spoil.call(())).await);
    failure_of(bounded("the next", spoil.call(())).await);
    let stats = pool.stats();
    assert_eq!((stats.sandboxes_opened, stats.sandboxes_not_opened), (1, 3), "the third is told");
    assert_eq!(stats.calls_failed, BTreeMap::from([("not-started", 1), ("trapped", 1)]));
    assert_eq!((stats.waiting.count, stats.running.count), (2, 1));
    close(&pool).await;
}

#[tokio::test]
async fn a_sandbox_with_too_many_abandoned_calls_is_counted_as_that() {
    let pool = basics(1, 4).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    for n in 0..8 {
        let hanging = hang.submit((n.to_string(),));
        hear(&mut events, &n.to_string()).await;
        drop(hanging);
    }
    let retired = || pool.stats().sandboxes_retired.get(&RetireReason::Abandoned).copied();
    until("the retirement", || retired() == Some(1)).await;
    close(&pool).await;
}

#[tokio::test]
async fn a_retiring_sandbox_is_counted_until_its_calls_have_ended() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let stays = hang.submit(("stays".to_owned(),));
    hear(&mut events, "stays").await;
    for n in 0..16 {
        let hanging = hang.submit((n.to_string(),));
        hear(&mut events, &n.to_string()).await;
        drop(hanging);
    }
    until("the retirement", || pool.stats().sandboxes_retiring == 1).await;
    drop(stays);
    until("its end", || pool.stats().sandboxes_retiring == 0).await;
    close(&pool).await;
}

#[tokio::test]
async fn a_worker_that_dies_leaves_nothing_counted() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let neighbours: Vec<_> = (0..4).map(|n| hang.submit((n.to_string(),))).collect();
    for n in 0..4 {
        hear(&mut events, &n.to_string()).await;
    }
    // From the third time on it runs alone, and so do its neighbours.
    let user = bounded("the echo", echo.call((User::that_panics("Thrice counted", 3),))).await;
    assert_eq!(user.expect("an echo").name, "Thrice counted");
    until("the neighbours", || pool.stats().calls_running == 4).await;
    drop(neighbours);
    let stats = pool.stats();
    assert_eq!((stats.workers, stats.calls_running, stats.calls_unanswered), (1, 0, 0), "{stats:?}");
    let stats = close(&pool).await;
    let retired = |reason| stats.sandboxes_retired.get(&reason).copied().unwrap_or(0);
    assert!(retired(RetireReason::WorkerEnded) >= 3, "{stats:?}");
    assert!(retired(RetireReason::Used) >= 1, "{stats:?}");
}

#[tokio::test]
async fn a_pool_that_is_aborted_counts_what_it_cancelled() {
    let pool = stateful(2, 4, "ok").await.expect("it opens");
    let count_later = pool.task::<(u32,), u32>("count-later").expect("a task");
    let calls: Vec<_> = (0..30).map(|_| count_later.submit((3_600_000,))).collect();
    until("some to run", || pool.stats().calls_running > 0).await;
    bounded("abort", pool.abort()).await;
    assert_eq!(close(&pool).await.calls_failed_as("cancelled"), 30);
    drop(calls);
}
