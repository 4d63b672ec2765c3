//! A module is replaced by another while calls go on.

use std::time::Duration;

use futures::future::join_all;
use wasmpool::{Event, Isolation, Pool, PoolError, RetireReason, TaskModule};

use crate::guests::module;
use crate::support::{COUNTER, bounded, find_event, rest_of};

async fn version_1() -> TaskModule {
    module("tests/guests/version-1").await
}

async fn version_2() -> TaskModule {
    module("tests/guests/version-2").await
}

async fn pool(isolation: Isolation, text: &str) -> Pool {
    wasmpool::PoolBuilder::new()
        .module("app", version_1().await)
        .init_args((text,))
        .workers(2)
        .concurrency(8)
        .isolation(isolation)
        .build()
        .await
        .expect("the guest opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_answer_is_of_one_or_the_other_and_then_only_of_the_new() {
    for isolation in [Isolation::Shared, Isolation::Exclusive, Isolation::Fresh] {
        let pool = pool(isolation, "hello").await;
        let version = pool.task::<(u32,), u32>("version").expect("a task");
        // Each of these calls again and again until it hears of the new module.
        let load: Vec<_> = (0..20)
            .map(|ms| {
                let version = version.clone();
                tokio::spawn(async move {
                    let mut answers = Vec::new();
                    while !answers.contains(&2) {
                        answers.push(version.call((ms,)).await.expect("an answer"));
                    }
                    answers
                })
            })
            .collect();
        let mut events = pool.events();
        find_event(&mut events, "a call", |event| matches!(event, Event::CallEnded { .. }).then_some(()))
            .await;
        let replaced = {
            let (pool, new) = (pool.clone(), version_2().await);
            tokio::spawn(async move { pool.replace("app", new).await })
        };
        bounded("the replacement", replaced).await.expect("no panic").expect("it fits");
        // Handles made before go on to work.
        let after: Vec<_> = (0..50).map(|_| version.submit((1,))).collect();
        for call in bounded("later calls", join_all(after)).await {
            assert_eq!(call.expect("an answer"), 2, "{isolation:?}");
        }
        let answers = bounded("the load", join_all(load)).await;
        let answers: Vec<_> = answers.into_iter().flat_map(|answers| answers.expect("no panic")).collect();
        assert!(answers.iter().all(|version| [1, 2].contains(version)));
        assert!(answers.contains(&1), "{isolation:?}: it was replaced in the middle");
        // The same settings hold, and the new module's own tasks are there.
        let greeting = pool.task::<(), String>("greeting").expect("a task");
        assert_eq!(bounded("a call", greeting.call(())).await.expect("a text"), "hello");
        let another = pool.task::<(), String>("app/another").expect("a new task");
        assert_eq!(bounded("a call", another.call(())).await.expect("a text"), "another");
        // And back, where a new task is missing.
        let error = pool.replace("app", version_1().await).await.expect_err("it has fewer tasks");
        assert!(error.to_string().contains("no task `another()"), "{error}");
        pool.close().await;
    }
}

#[tokio::test]
async fn idle_sandboxes_of_the_old_module_are_retired() {
    let pool = pool(Isolation::Shared, "hello").await;
    let events = pool.events();
    bounded("the replacement", pool.replace("app", version_2().await)).await.expect("it fits");
    pool.close().await;
    let replaced =
        |event: &&Event| matches!(event, Event::SandboxRetired { reason: RetireReason::Replaced, .. });
    assert_eq!(rest_of(events).await.iter().filter(replaced).count(), 1);
}

#[tokio::test]
async fn it_waits_for_the_calls_of_the_old_module_but_nobody_else_does() {
    let pool = pool(Isolation::Shared, "hello").await;
    let mut events = pool.events();
    let version = pool.task::<(u32,), u32>("version").expect("a task");
    let long = version.submit((4_000,));
    find_event(&mut events, "the start", |event| matches!(event, Event::AttemptStarted { .. }).then_some(()))
        .await;
    let waiting = pool.replace("app", version_2().await);
    tokio::pin!(waiting);
    tokio::select! {
        _ = &mut waiting => panic!("the old module still has a call"),
        answer = async {
            loop {
                let answer = version.call((1,)).await.expect("an answer");
                if answer == 2 { return answer }
            }
        } => assert_eq!(answer, 2),
    }
    bounded("the replacement", waiting).await.expect("it fits");
    assert!(long.is_finished(), "it was answered before");
    assert_eq!(bounded("the long call", long).await.expect("an answer"), 1);
    pool.close().await;
}

#[tokio::test]
async fn what_does_not_fit_or_does_not_open_leaves_the_old_module_in_place() {
    let pool = pool(Isolation::Shared, "version 2 fails").await;
    let error = pool.replace("app", version_2().await).await.expect_err("its initializer fails");
    assert!(matches!(&error, PoolError::CannotOpen { .. }), "{error}");
    assert!(error.to_string().contains("version 2 does not want to"), "{error}");
    let error = pool.replace("web", version_2().await).await.expect_err("no such name");
    assert!(error.to_string().contains("no module `web`"), "{error}");
    let error = pool.replace("app", module(COUNTER).await).await.expect_err("other tasks");
    assert!(error.to_string().contains("setting `init_args` does not fit the new module"), "{error}");
    let version = pool.task::<(u32,), u32>("version").expect("a task");
    assert_eq!(bounded("a call", version.call((1,))).await.expect("an answer"), 1);
    pool.close_within(Duration::from_secs(1)).await;
    assert!(matches!(pool.replace("app", version_2().await).await, Err(PoolError::Closed)));
}

#[tokio::test]
async fn two_replacements_at_once_come_one_after_the_other() {
    let pool = pool(Isolation::Shared, "hello").await;
    let version = pool.task::<(u32,), u32>("version").expect("a task");
    let load: Vec<_> = (0..100).map(|_| version.submit((5,))).collect();
    let (one, other) = (version_2().await, version_2().await);
    let (one, other) =
        bounded("both", futures::future::join(pool.replace("app", one), pool.replace("app", other))).await;
    one.expect("it fits");
    other.expect("it fits");
    assert_eq!(bounded("a call", version.call((1,))).await.expect("an answer"), 2);
    for call in bounded("the load", join_all(load)).await {
        call.expect("an answer");
    }
    pool.close().await;
}
