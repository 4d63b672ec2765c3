//! How much a pool takes on: `call` waits, `try_call` refuses with the arguments, `submit` goes beyond, and every
//! permit comes back however a call ends.

use wasmpool::{CallError, Failure, Pool, PoolError};

use crate::support::{BASICS, STATEFUL, bounded, builder, failure_of, hear, until};

/// A pool of one worker with room for one running call and `capacity` in all.
async fn narrow(capacity: usize) -> Pool {
    builder(BASICS, 1, 1).await.queue_capacity(capacity).build().await.expect("the guest opens")
}

#[tokio::test]
async fn a_full_pool_refuses_with_the_arguments_and_lets_others_wait() {
    let pool = narrow(3).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let echo = pool.task::<(String,), String>("echo-text").expect("a task");
    let first = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    let second = echo.try_call(("two".to_owned(),)).expect("there is room");
    let third = echo.try_call(("three".to_owned(),)).expect("there is room");
    assert_eq!(pool.stats().permits_free, 0);
    let refused = echo.try_call(("four".to_owned(),)).err().expect("the pool is full");
    assert!(matches!(refused.error, PoolError::Full), "{refused}");
    assert_eq!(refused.args, ("four".to_owned(),));
    let mut fourth = Box::pin(echo.call(refused.args));
    assert!(futures::poll!(&mut fourth).is_pending());
    assert_eq!(pool.stats().calls_unanswered, 3, "the fourth waits outside");
    first.cancel();
    assert_eq!(bounded("the second", second).await.expect("an echo"), "two");
    assert_eq!(bounded("the third", third).await.expect("an echo"), "three");
    assert_eq!(bounded("the fourth", fourth).await.expect("an echo"), "four");
    assert_eq!(pool.stats().permits_free, 3);
    pool.close().await;
}

#[tokio::test]
async fn submit_goes_beyond_the_capacity() {
    let pool = narrow(1).await;
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let calls: Vec<_> = (0..50).map(|n| add.submit((n, n))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(bounded("a call", call).await.expect("a sum"), 2 * n as i64);
    }
    assert_eq!(pool.stats().permits_free, 1);
    pool.close().await;
}

#[tokio::test]
async fn waiting_callers_are_served_one_after_the_other() {
    let pool = narrow(1).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let calls = (0..20).map(|ms| sleep.call((ms % 3,)));
    let slept = bounded("all callers", futures::future::join_all(calls)).await;
    assert!(slept.iter().all(Result::is_ok), "{slept:?}");
    pool.close().await;
}

#[tokio::test]
async fn a_caller_who_stops_waiting_for_room_takes_none() {
    let pool = narrow(1).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let first = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    let mut outside: Vec<_> = (0..5).map(|n| Box::pin(hang.call((format!("{n}"),)))).collect();
    for waits in &mut outside {
        assert!(futures::poll!(waits).is_pending());
    }
    drop(outside);
    drop(first);
    until("the permit", || pool.stats().permits_free == 1).await;
    assert_eq!(pool.stats().calls_unanswered, 0);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn every_permit_comes_back_however_a_call_ends() {
    let pool = builder(BASICS, 2, 4).await.queue_capacity(100).build().await.expect("the guest opens");
    let fail = pool.task::<(String,), u32>("fail").expect("a task");
    let boom = pool.task::<(u32,), u32>("boom").expect("a task");
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let add = pool.json_task("add").expect("a task");
    for _ in 0..10 {
        let (hanging, booming, failing) =
            (hang.submit(()), boom.submit((1,)), fail.submit(("no".to_owned(),)));
        let bad = add.try_call(serde_json::json!(["x", 1])).expect("there is room");
        assert!(matches!(failure_of(bounded("bad input", bad).await), Failure::BadInput(_)));
        assert!(matches!(bounded("an error", failing).await, Err(CallError::Returned(_))));
        assert!(matches!(failure_of(bounded("a trap", booming).await), Failure::Trapped(_)));
        drop(hanging);
    }
    assert_eq!(pool.stats().permits_free, 100);
    until("all answers", || pool.stats().calls_unanswered == 0).await;
    pool.close().await;
}

#[tokio::test]
async fn settings_out_of_range_are_named() {
    for (setting, builder) in [
        ("workers", builder(BASICS, 0, 1).await),
        ("concurrency", builder(BASICS, 1, 0).await),
        ("queue_capacity", builder(BASICS, 1, 1).await.queue_capacity(0)),
        ("event_backlog", builder(BASICS, 1, 1).await.event_backlog(0)),
        ("workers", builder(BASICS, 5_000, 1).await),
        ("init_args", builder(BASICS, 1, 1).await.init_args((1,))),
        ("initializer", builder(STATEFUL, 1, 1).await.initializer("no-such-task", ())),
    ] {
        match builder.build().await.err() {
            Some(PoolError::BadSetting { setting: named, .. }) => assert_eq!(named, setting),
            other => panic!("{setting}: {other:?}"),
        }
    }
}
