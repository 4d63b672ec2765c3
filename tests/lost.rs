//! Workers that die of a panic in the host. Nothing in the library does that on purpose; here the arguments of a
//! call do it, while a worker clones them. No call is lost, and the worker comes back.

use futures::StreamExt;
use wasmpool::{Event, Failure, Outcome};

use crate::support::{basics, bounded, failure_of, find_event, rest_of};
use crate::types::User;

#[tokio::test]
async fn a_lost_worker_costs_its_calls_an_attempt_and_nothing_else() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let neighbours: Vec<_> = (0..8).map(|_| sleep.submit((20,))).collect();
    let culprit = echo.submit((User::that_panics("Once", 1),));
    let later: Vec<_> = (0..8).map(|_| sleep.submit((1,))).collect();
    let message = find_event(&mut events, "the loss", |event| match event {
        Event::WorkerLost { message, .. } => Some(message.clone()),
        _ => None,
    })
    .await;
    assert_eq!(message, "no clone of Once");
    let report = bounded("the culprit", culprit.report()).await.expect("accepted");
    assert!(matches!(&report.outcome, Outcome::Completed(user) if user.name == "Once"), "{report:?}");
    assert_eq!((report.attempts, report.interruptions), (1, 1));
    for call in neighbours.into_iter().chain(later) {
        let report = bounded("a neighbour", call.report()).await.expect("accepted");
        assert!(report.is_completed(), "{report:?}");
        assert!(report.interruptions <= 1, "{report:?}");
    }
    assert_eq!(pool.stats().permits_free, 64);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_call_that_kills_every_worker_ends_and_the_pool_goes_on() {
    let pool = basics(1, 4).await;
    let events = pool.events();
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let failure = failure_of(bounded("the call", echo.call((User::that_panics("Always", u32::MAX),))).await);
    let Failure::Interrupted { reason, .. } = failure else { panic!("{failure}") };
    assert_eq!(reason, "the worker was lost");
    let user = bounded("another", echo.call((User::called("Never"),))).await.expect("an echo");
    assert_eq!(user.name, "Never");
    bounded("close", pool.close()).await;
    let lost = rest_of(events).await.iter().filter(|event| matches!(event, Event::WorkerLost { .. })).count();
    assert_eq!(lost, 8, "a call may take that many workers with it");
}

#[tokio::test]
async fn workers_that_die_again_and_again_lose_no_call() {
    let pool = basics(2, 4).await;
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let users = (0..60).map(|n| User::that_panics(format!("user {n}"), u32::from(n % 10 == 3)));
    let reports: Vec<_> = bounded("the map", echo.map(users.collect::<Vec<_>>()).collect()).await;
    assert_eq!(reports.len(), 60);
    for report in reports {
        let name = format!("user {}", report.index);
        assert!(matches!(&report.outcome, Outcome::Completed(user) if user.name == name), "{report:?}");
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn of_calls_that_came_together_only_those_are_lost_that_kill_every_worker() {
    let pool = basics(1, 16).await;
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let times = |n| match n {
        1_500 => u32::MAX,
        1_501 | 1_503 => 1,
        _ => 0,
    };
    let users: Vec<_> = (0..3_000).map(|n| User::that_panics(format!("one of many {n}"), times(n))).collect();
    let reports: Vec<_> = bounded("the map", echo.map(users).collect()).await;
    assert_eq!(reports.len(), 3_000);
    for (index, report) in reports.iter().enumerate() {
        match &report.outcome {
            Outcome::Completed(user) => assert_eq!(user.name, format!("one of many {index}")),
            Outcome::Failed(Failure::Interrupted { .. }) => assert_eq!(index, 1_500),
            other => panic!("{index}: {other:?}"),
        }
        assert_eq!(report.index, index);
    }
    assert!(!reports[1_500].is_completed());
    assert_eq!(pool.stats().permits_free, 64);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn pools_end_although_their_workers_are_dying() {
    for round in 0..20 {
        let pool = basics(2, 4).await;
        let echo = pool.task::<(User,), User>("echo-user").expect("a task");
        let calls: Vec<_> =
            (0..8).map(|n| echo.submit((User::that_panics(format!("round {round} {n}"), 3),))).collect();
        if round % 2 == 0 {
            bounded("abort", pool.abort()).await;
        } else {
            bounded("close", pool.close()).await;
        }
        for call in calls {
            assert!(call.is_finished());
            drop(bounded("a call", call).await);
        }
    }
}
