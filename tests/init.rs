//! Initializers: what they are given, what is said when they fail, and that nobody waits for a sandbox that
//! never opens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmpool::{Event, Failure, Limits, Pool, PoolError};

use crate::support::{BASICS, STATEFUL, basics, bounded, builder, failure_of, rest_of};

/// What `build` says about a pool of `stateful` with these arguments.
async fn refusal(args: impl serde::Serialize) -> PoolError {
    let limits = Limits::default().opening_time(Duration::from_millis(300));
    let built = builder(STATEFUL, 2, 4).await.init_args(args).limits(limits).build();
    bounded("build", built).await.err().expect("a failing initializer")
}

pub(crate) async fn stateful(workers: usize, concurrency: usize, mode: &str) -> Result<Pool, PoolError> {
    builder(STATEFUL, workers, concurrency).await.init_args((mode, 0u32)).build().await
}

#[tokio::test]
async fn the_initializer_gets_a_tuple_and_tasks_get_its_state() {
    let pool = stateful(1, 4, "ok").await.expect("mode ok opens");
    let mode = pool.task::<(), String>("mode").expect("a task");
    let count = pool.task::<(), u32>("count").expect("a task");
    let ping = pool.task::<(), u32>("ping").expect("a task");
    assert_eq!(bounded("mode", mode.call(())).await.expect("a mode"), "ok");
    for n in 1..=5 {
        assert_eq!(bounded("count", count.call(())).await.expect("a count"), n);
    }
    assert_eq!(bounded("ping", ping.call(())).await.expect("an answer"), 1);
    pool.close().await;
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_with_the_signature() {
    let without = builder(STATEFUL, 1, 1).await.build().await.err().expect("arguments are missing");
    let refusals = [
        without,
        refusal(("ok",)).await,
        refusal(("ok", 1, 2)).await,
        refusal((1, "ok")).await,
        refusal("ok").await,
    ];
    for (case, error) in refusals.into_iter().enumerate() {
        let PoolError::BadSetting { setting, problem } = error else { panic!("{error}") };
        assert_eq!(setting, "init_args");
        let names_it = problem.contains("open(mode: string, ms: u32)") || problem.contains("tuple");
        assert!(names_it, "case {case}: {problem}");
    }
}

#[tokio::test]
async fn an_initializer_that_fails_says_so_in_its_own_words() {
    for (mode, words) in [("err", "no session in mode err"), ("panic", "the session panics on purpose")] {
        let PoolError::CannotOpen { reason, .. } = refusal((mode, 0)).await else { panic!("not opened") };
        assert!(reason.contains(words) && reason.contains("`open`"), "{reason}");
    }
}

#[tokio::test]
async fn an_initializer_that_never_ends_is_given_up() {
    for (mode, ms) in [("spin", 0u32), ("ok", 3_600_000)] {
        let PoolError::CannotOpen { reason, .. } = refusal((mode, ms)).await else { panic!("not opened") };
        assert!(reason.contains("not open after 300ms") && reason.contains("`open`"), "{mode}: {reason}");
    }
    // The engine sees by itself that nothing will ever wake this one.
    let PoolError::CannotOpen { reason, .. } = refusal(("hang", 0)).await else { panic!("not opened") };
    assert!(reason.contains("`open`") && reason.contains("deadlock"), "{reason}");
}

#[tokio::test]
async fn any_exported_function_can_be_the_initializer() {
    let named = builder(BASICS, 1, 1).await.initializer("fail", ("not today",)).build().await;
    let Some(PoolError::CannotOpen { reason, .. }) = named.err() else { panic!("it fails") };
    assert!(reason.ends_with("not today: the middle: the root"), "{reason}");
    let pool = builder(BASICS, 1, 1).await.initializer("count", ()).build().await.expect("it opens");
    let count = pool.task::<(), u32>("count").expect("a task");
    assert_eq!(bounded("count", count.call(())).await.expect("a count"), 2, "the initializer counted first");
    pool.close().await;
}

#[tokio::test]
async fn what_an_initializer_prints_belongs_to_no_call() {
    let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let named = builder(BASICS, 1, 1).await.initializer("print-partial", ("half a line",));
    let pool = named.on_event(move |event| drop(said.send(event))).build().await.expect("it opens");
    pool.close().await;
    let line = bounded("the line", async {
        loop {
            if let Event::GuestLine { attempt, text, .. } = heard.recv().await.expect("a line") {
                return (attempt, text);
            }
        }
    })
    .await;
    assert_eq!(line, (None, "half a line".to_owned()));
}

#[tokio::test]
async fn each_new_sandbox_is_initialized_once() {
    let pool = stateful(1, 8, "ok").await.expect("mode ok opens");
    let count = pool.task::<(), u32>("count").expect("a task");
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    for _ in 0..5 {
        for n in 1..=3 {
            assert_eq!(bounded("count", count.call(())).await.expect("a count"), n);
        }
        let message = failure_of(bounded("spoil", spoil.call(())).await).message();
        assert!(message.contains("spoiled after 3 calls"), "{message}");
    }
    pool.close().await;
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis()
}

/// A pool whose initializer fails from now on, and its open sandboxes as they were.
pub(crate) async fn pool_that_opens_no_more(workers: usize) -> Pool {
    let mut headway_ms = 500;
    let (pool, end_ms) = loop {
        let end_ms = unix_ms() + headway_ms;
        match stateful(workers, 4, &format!("until {end_ms}")).await {
            Ok(pool) => break (pool, end_ms),
            // The machine was too slow to open a sandbox in that time.
            Err(_) => headway_ms *= 2,
        }
    };
    while unix_ms() <= end_ms {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pool
}

#[tokio::test]
async fn every_caller_hears_why_no_sandbox_opens_any_more() {
    let pool = pool_that_opens_no_more(1).await;
    let events = pool.events();
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    let count_later = pool.task::<(u32,), u32>("count-later").expect("a task");
    // In its sandbox when it is lost, at its door, in the queue.
    let innocents: Vec<_> = (0..3).map(|_| count_later.submit((3_600_000,))).collect();
    let culprit = spoil.submit(());
    let queued: Vec<_> = (0..30).map(|_| count_later.submit((0,))).collect();
    assert!(matches!(failure_of(bounded("the culprit", culprit).await), Failure::Trapped(_)));
    for call in innocents.into_iter().chain(queued) {
        let failure = failure_of(bounded("a caller", call).await);
        let Failure::NotStarted { reason } = failure else { panic!("{failure}") };
        assert!(reason.contains("no session after"), "{reason}");
    }
    let failure = failure_of(bounded("a later caller", count_later.call((0,))).await);
    assert!(matches!(failure, Failure::NotStarted { .. }), "{failure}");
    assert_eq!(pool.stats().permits_free, 64);
    bounded("close", pool.close()).await;
    let told = rest_of(events).await;
    assert!(told.iter().any(|event| matches!(event, Event::SandboxNotOpened { .. })));
}

#[tokio::test]
async fn many_workers_that_cannot_open_leave_no_caller_waiting() {
    let pool = pool_that_opens_no_more(4).await;
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    let ping = pool.task::<(), u32>("ping").expect("a task");
    for _ in 0..20 {
        let calls: Vec<_> = (0..10).map(|_| ping.submit(())).chain([spoil.submit(())]).collect();
        for call in calls {
            // The one sandbox that was open may serve some; nobody waits for another.
            drop(bounded("a caller", call).await);
        }
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_pool_without_an_initializer_takes_no_arguments_for_one() {
    let error = builder(BASICS, 1, 1).await.init_args(()).build().await.err().expect("there is no #[init]");
    assert!(error.to_string().contains("has no #[init]"), "{error}");
    basics(1, 1).await.close().await;
}
