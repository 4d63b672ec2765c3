//! How pools end: `close` drains, `close_within` loses patience, `abort` and dropping the last handle stop at once,
//! whatever guests are doing. Afterwards nothing is left: no call unanswered, no thread.

use std::process::Command;
use std::time::Duration;

use futures::StreamExt;
use wasmpool::{CallError, Event, Failure, Outcome, Pool, PoolError};

use crate::support::{BASICS, basics, bounded, builder, failure_of, hear, rest_of, until};

#[tokio::test]
async fn close_waits_for_every_accepted_call() {
    let pool = basics(2, 2).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let calls: Vec<_> = (0..30).map(|ms| sleep.submit((ms,))).collect();
    bounded("close", pool.close()).await;
    assert_eq!(pool.stats().calls_unanswered, 0);
    for (ms, call) in calls.into_iter().enumerate() {
        assert!(call.is_finished());
        assert_eq!(call.await.expect("it was accepted") as usize, ms);
    }
}

#[tokio::test]
async fn a_closed_pool_gives_the_arguments_back() {
    let pool = basics(1, 1).await;
    let echo = pool.task::<(String,), String>("echo-text").expect("a task");
    let json = pool.json_task("echo-text").expect("a task");
    pool.close().await;
    let refused = echo.try_call(("mine".to_owned(),)).err().expect("the pool is closed");
    assert!(matches!(refused.error, PoolError::Closed));
    assert_eq!(refused.args.0, "mine");
    let called = echo.call(("x".to_owned(),)).await;
    assert!(matches!(called, Err(CallError::Pool(PoolError::Closed))), "{called:?}");
    let submitted = echo.submit(("x".to_owned(),));
    assert_eq!(submitted.id(), None);
    assert!(matches!(submitted.await, Err(CallError::Pool(PoolError::Closed))));
    // Bad input is no reason to forget that the pool is closed.
    assert!(matches!(json.call(serde_json::json!(7)).await, Err(CallError::Pool(PoolError::Closed))));
}

#[tokio::test]
async fn close_within_cancels_what_is_left() {
    let pool = basics(2, 2).await;
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let forever = pool.task::<(), u64>("forever").expect("a task");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let quick = sleep.submit((1,));
    assert_eq!(bounded("the quick one", quick).await.expect("it only waits"), 1);
    let hanging: Vec<_> = (0..5).map(|_| hang.submit(())).collect();
    let busy: Vec<_> = (0..5).map(|_| forever.submit(())).collect();
    bounded("close_within", pool.close_within(Duration::from_millis(50))).await;
    assert_eq!(pool.stats().calls_unanswered, 0);
    for call in hanging {
        assert!(matches!(failure_of(call.await), Failure::Cancelled));
    }
    for call in busy {
        assert!(matches!(failure_of(call.await), Failure::Cancelled));
    }
}

#[tokio::test]
async fn close_within_enough_time_is_close() {
    let pool = basics(1, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let calls: Vec<_> = (0..8).map(|_| sleep.submit((5,))).collect();
    bounded("close_within", pool.close_within(Duration::from_secs(100))).await;
    for call in calls {
        assert_eq!(call.await.expect("it was accepted"), 5);
    }
}

#[tokio::test]
async fn abort_ends_busy_and_hanging_and_queued_calls() {
    let pool = basics(2, 4).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let busy = pool.task::<(String,), u64>("say-and-spin").expect("a task");
    let hanging = [hang.submit(("hangs".to_owned(),)), hang.submit(("hangs too".to_owned(),))];
    hear(&mut events, "hangs too").await;
    let spinning = [busy.submit(("spins".to_owned(),)), busy.submit(("spins too".to_owned(),))];
    hear(&mut events, "spins too").await;
    let queued = hang.submit(("never".to_owned(),));
    bounded("abort", pool.abort()).await;
    for call in hanging {
        assert!(matches!(failure_of(call.await), Failure::Cancelled));
    }
    for call in spinning {
        assert!(matches!(failure_of(call.await), Failure::Cancelled));
    }
    let report = queued.report().await.expect("it was accepted");
    assert!(matches!(report.outcome, Outcome::Failed(Failure::Cancelled)));
    assert_eq!((report.attempts, report.interruptions), (0, 0), "it never ran");
    let told = rest_of(events).await;
    let untrue = told.iter().find(|event| matches!(event, Event::RunAgain { .. }));
    assert!(untrue.is_none(), "nothing runs again in a pool that ends: {untrue:?}");
    assert!(matches!(told.last(), Some(Event::PoolClosed)));
}

#[tokio::test]
async fn pools_are_closed_twice_at_once_and_during_a_map() {
    let pool = basics(2, 2).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let mut reports = sleep.map(std::iter::repeat(1));
    for _ in 0..10 {
        assert!(bounded("a report", reports.next()).await.expect("endless").is_completed());
    }
    let other = pool.clone();
    // Whoever maps goes on reading: `close` waits for what was accepted.
    let reading = tokio::spawn(async move {
        loop {
            let report = reports.next().await.expect("endless");
            if !report.is_completed() {
                return report;
            }
        }
    });
    bounded("both", async { tokio::join!(pool.close(), other.close(), other.abort()) }).await;
    bounded("a third time", pool.close()).await;
    let report = bounded("the reader", reading).await.expect("the reader saw the end");
    assert!(matches!(report.outcome, Outcome::Failed(Failure::Cancelled)), "{report:?}");
}

#[tokio::test]
async fn close_serves_what_a_map_had_submitted_and_then_ends_it() {
    let pool = basics(1, 2).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let mut reports = sleep.map(vec![1; 1_000]);
    assert!(bounded("the first", reports.next()).await.expect("a report").is_completed());
    bounded("close", pool.close()).await;
    let rest: Vec<_> = bounded("the rest", reports.collect()).await;
    assert!(rest.len() < 999, "a closed pool takes no more inputs, of which {} were taken", rest.len() + 1);
    let served = rest.iter().take_while(|report| report.is_completed()).count();
    assert!(served < rest.len() && served > 0, "{served} served after the first");
    assert!(
        rest[served..].iter().all(|report| matches!(report.outcome, Outcome::Failed(Failure::Cancelled)))
    );
    let indices: Vec<_> = rest.iter().map(|report| report.index).collect();
    assert_eq!(indices, (1..=rest.len()).collect::<Vec<_>>());
}

#[tokio::test]
async fn dropping_the_close_leaves_the_pool_to_finish() {
    let pool = basics(1, 2).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let call = sleep.submit((30,));
    let mut closing = Box::pin(pool.close());
    assert!(futures::poll!(&mut closing).is_pending());
    drop(closing);
    assert!(matches!(sleep.try_call((1,)).err().expect("closed").error, PoolError::Closed));
    assert_eq!(bounded("the call", call).await.expect("it was accepted"), 30);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn calls_race_with_close_and_all_of_them_hear() {
    for round in 0..40 {
        let pool = basics(2, 2).await;
        let add = pool.task::<(i64, i64), i64>("add").expect("a task");
        let callers: Vec<_> = (0..8)
            .map(|n| {
                let add = add.clone();
                tokio::spawn(async move {
                    let mut served = 0;
                    loop {
                        match add.call((n, served)).await {
                            Ok(sum) => assert_eq!(sum, n + served),
                            Err(
                                CallError::Pool(PoolError::Closed) | CallError::Failed(Failure::Cancelled),
                            ) => return,
                            other => panic!("{other:?}"),
                        }
                        served += 1;
                    }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        bounded("the first answer", add.call((1, 1))).await.expect("a sum");
        match round % 3 {
            0 => bounded("close", pool.close()).await,
            1 => bounded("abort", pool.abort()).await,
            _ => bounded("close_within", pool.close_within(Duration::ZERO)).await,
        }
        for caller in callers {
            bounded("a caller", caller).await.expect("it heard of the end");
        }
        assert_eq!(pool.stats().calls_unanswered, 0);
    }
}

/// The names of this process's threads that belong to pools.
fn pool_threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a list of threads");
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with("wasmpool"))
        .collect()
}

const IN_CHILD: &str = "WASMPOOL_TEST_IN_CHILD";

/// Threads are counted in a process of their own, since other tests run pools in this one.
#[test]
#[cfg(target_os = "linux")]
fn no_thread_outlives_its_pool() {
    if std::env::var_os(IN_CHILD).is_some() {
        return;
    }
    let child = Command::new(std::env::current_exe().expect("a test binary"))
        .args(["--exact", "ends::threads_end_with_their_pool", "--nocapture"])
        .env(IN_CHILD, "1")
        .output()
        .expect("the test binary starts");
    let told = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn threads_end_with_their_pool() {
    if std::env::var_os(IN_CHILD).is_none() {
        return;
    }
    assert_eq!(pool_threads(), [""; 0]);
    for end in ["close", "abort", "drop"] {
        let pool = builder(BASICS, 3, 4).await.on_event(|_| ()).build().await.expect("the guest opens");
        let mut events = pool.events();
        let busy = pool.task::<(String,), u64>("say-and-spin").expect("a task");
        let hang = pool.task::<(), ()>("hang").expect("a task");
        let add = pool.task::<(i64, i64), i64>("add").expect("a task");
        assert_eq!(add.call((1, 2)).await.expect("a sum"), 3);
        until("three workers, a ticker and a listener", || pool_threads().len() == 5).await;
        let mut calls = vec![hang.submit(()), hang.submit(())];
        if end == "close" {
            calls.clear();
            bounded("close", pool.close()).await;
        } else {
            let busy = busy.submit(("in".to_owned(),));
            hear(&mut events, "in").await;
            if end == "abort" {
                bounded("abort", pool.abort()).await;
            }
            drop(busy);
        }
        drop((pool, add, hang, calls, events));
        drop(busy);
        until("the end of all threads", || pool_threads().is_empty()).await;
    }
}

#[tokio::test]
async fn dropping_every_handle_aborts() {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let pool = builder(BASICS, 2, 2).await;
    let pool: Pool =
        pool.on_event(move |event| drop(said.send(event))).build().await.expect("the guest opens");
    let forever = pool.task::<(), u64>("forever").expect("a task");
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let calls = (forever.submit(()), hang.submit(()), forever.submit(()));
    drop((pool, forever, hang));
    assert!(!calls.0.is_finished(), "handles of calls keep the pool alive");
    drop(calls);
    // The listener lives as long as somebody may tell it something: workers, queue, ticker.
    bounded("the end of the listener", async { while heard.recv().await.is_some() {} }).await;
}

#[tokio::test]
async fn a_handle_keeps_the_pool_alive() {
    let pool = basics(1, 1).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let call = sleep.submit((20,));
    let mut reports = sleep.map([1, 2, 3]);
    drop((pool, sleep));
    assert_eq!(bounded("the call", call).await.expect("it was accepted"), 20);
    while let Some(report) = bounded("a report", reports.next()).await {
        assert!(report.is_completed());
    }
}
