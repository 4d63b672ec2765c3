//! Calls that nobody wants any more, whatever they are doing: the caller hears at once, the neighbours notice
//! nothing, and the worker serves on.

use std::time::Duration;

use wasmpool::{Event, Events, Failure, Pool};

use crate::support::{basics, bounded, failure_of, find_event, hear, until};

async fn still_serves(pool: &Pool) {
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    for n in 0..20 {
        assert_eq!(bounded("a later call", add.call((n, 1))).await.expect("a sum"), n + 1);
    }
}

#[tokio::test]
async fn a_queued_call_is_cancelled_at_once_and_never_starts() {
    let pool = basics(1, 1).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let first = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    let queued = add.submit((1, 2));
    let id = queued.id().expect("accepted");
    queued.cancel();
    assert!(queued.is_finished());
    let report = bounded("the report", queued.report()).await.expect("accepted");
    assert!(matches!(report.outcome, wasmpool::Outcome::Failed(Failure::Cancelled)));
    assert_eq!((report.attempts, report.interruptions, report.running), (0, 0, Duration::ZERO));
    first.cancel();
    assert!(matches!(failure_of(bounded("the first", first).await), Failure::Cancelled));
    still_serves(&pool).await;
    bounded("close", pool.close()).await;
    let events = crate::support::rest_of(events).await;
    let started =
        |event: &Event| matches!(event, Event::AttemptStarted { attempt, .. } if attempt.call == id);
    assert!(!events.iter().any(started), "{events:#?}");
}

#[tokio::test]
async fn a_waiting_call_is_cancelled_without_harm_to_its_neighbours() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let neighbours: Vec<_> = (0..10).map(|_| sleep.submit((100,))).collect();
    let waiting = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    waiting.cancel();
    assert!(matches!(failure_of(bounded("the cancelled", waiting).await), Failure::Cancelled));
    for neighbour in neighbours {
        let report = bounded("a neighbour", neighbour.report()).await.expect("accepted");
        assert!(report.is_completed());
        assert_eq!(report.interruptions, 0, "a call that waits is just left alone");
    }
    still_serves(&pool).await;
    pool.close().await;
}

#[tokio::test]
async fn a_busy_call_is_cancelled_and_its_neighbours_are_run_again() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let busy = pool.task::<(String,), u64>("say-and-spin").expect("a task");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let neighbours: Vec<_> = (0..10).map(|_| sleep.submit((50,))).collect();
    let call = busy.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    call.cancel();
    assert!(matches!(failure_of(bounded("the cancelled", call).await), Failure::Cancelled));
    for neighbour in neighbours {
        assert_eq!(bounded("a neighbour", neighbour).await.expect("innocent"), 50);
    }
    still_serves(&pool).await;
    pool.close().await;
}

#[tokio::test]
async fn a_worker_full_of_abandoned_calls_serves_on() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    for round in 0..3 {
        let calls: Vec<_> = (0..16).map(|n| hang.submit((format!("{round} {n}"),))).collect();
        for n in 0..16 {
            hear(&mut events, &format!("{round} {n}")).await;
        }
        drop(calls);
        still_serves(&pool).await;
    }
    until("the permits", || pool.stats().permits_free == 64).await;
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_worker_full_of_abandoned_busy_calls_serves_on() {
    let pool = basics(1, 4).await;
    let mut events = pool.events();
    let busy = pool.task::<(String,), u64>("say-and-spin").expect("a task");
    for round in 0..3 {
        let calls: Vec<_> = (0..4).map(|_| busy.submit((format!("{round}"),))).collect();
        hear(&mut events, &format!("{round}")).await;
        drop(calls);
        still_serves(&pool).await;
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_future_that_loses_a_select_withdraws_its_call() {
    let pool = basics(1, 2).await;
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    for _ in 0..50 {
        let ms = bounded("the winner", async {
            tokio::select! {
                _ = hang.call(()) => panic!("nobody ends this call"),
                slept = sleep.call((1,)) => slept.expect("it only waits"),
            }
        })
        .await;
        assert_eq!(ms, 1);
    }
    until("the withdrawn calls", || pool.stats().calls_unanswered == 0).await;
    assert_eq!(pool.stats().permits_free, 64);
    still_serves(&pool).await;
    pool.close().await;
}

#[tokio::test]
async fn calls_withdrawn_while_workers_take_them_are_never_lost() {
    let pool = basics(2, 4).await;
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let mut rng = fastrand::Rng::with_seed(11);
    for round in 0..300 {
        let mut handles: Vec<_> = (0..rng.i64(1..12)).map(|n| (n, add.submit((round, n)))).collect();
        while !handles.is_empty() {
            let (n, handle) = handles.swap_remove(rng.usize(..handles.len()));
            if rng.bool() {
                handle.cancel();
            }
            match bounded("a call", handle).await {
                Ok(sum) => assert_eq!(sum, round + n),
                failed => assert!(matches!(failure_of(failed), Failure::Cancelled)),
            }
        }
    }
    until("all answers", || pool.stats().calls_unanswered == 0).await;
    assert_eq!(pool.stats().permits_free, 64);
    still_serves(&pool).await;
    pool.close().await;
}

#[tokio::test]
async fn withdrawn_calls_do_not_pile_up_behind_a_worker_that_is_not_free() {
    let pool = basics(1, 1).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let holds_the_worker = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    let stays = add.submit((1, 2));
    for n in 0..10_000 {
        drop(add.submit((n, n)));
    }
    let queued = pool.stats().attempts_queued;
    assert!(queued < 1_000, "{queued} attempts of calls that nobody awaits are kept");
    drop(holds_the_worker);
    assert_eq!(bounded("the one that stays", stays).await.expect("a sum"), 3);
    pool.close().await;
}

#[tokio::test]
async fn a_handle_tells_what_becomes_of_its_call() {
    let pool = basics(1, 1).await;
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let call = hang.submit(("in".to_owned(),));
    let id = hear(&mut events, "in").await;
    assert_eq!(call.id(), Some(id));
    assert!(!call.is_finished());
    call.cancel();
    call.cancel();
    assert!(call.is_finished());
    find_event(&mut events, "the end", |event| match event {
        Event::CallEnded { call, failure: Some("cancelled"), .. } if *call == id => Some(()),
        _ => None,
    })
    .await;
    pool.close().await;
}

#[tokio::test]
async fn a_call_that_blocks_its_sandbox_is_cancelled_and_its_worker_serves_on() {
    let pool = basics(1, 16).await;
    let mut events = pool.events();
    let block = pool.task::<(u32,), u32>("block-ms").expect("a task");
    let call = block.submit((3_600_000,));
    find_event(&mut events, "its start", |event| matches!(event, Event::AttemptStarted { .. }).then_some(()))
        .await;
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let behind = add.submit((1, 2));
    call.cancel();
    assert!(matches!(failure_of(bounded("the cancelled", call).await), Failure::Cancelled));
    assert_eq!(bounded("the one behind it", behind).await.expect("a sum"), 3);
    still_serves(&pool).await;
    bounded("close", pool.close()).await;
}

/// Waits until so many attempts have started since `events` were asked for.
async fn started(events: &mut Events, attempts: usize) {
    for _ in 0..attempts {
        find_event(events, "a start", |event| matches!(event, Event::AttemptStarted { .. }).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn a_neighbour_held_up_by_a_withdrawn_call_is_run_again_elsewhere() {
    let pool = basics(1, 4).await;
    let mut events = pool.events();
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let block = pool.task::<(u32,), u32>("block-ms").expect("a task");
    let neighbour = sleep.submit((100,));
    started(&mut events, 1).await;
    let blocking = block.submit((3_600_000,));
    started(&mut events, 1).await;
    blocking.cancel();
    let report = bounded("the neighbour", neighbour.report()).await.expect("it was accepted");
    assert_eq!((report.is_completed(), report.interruptions), (true, 1));
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_call_that_comes_while_its_sandbox_is_given_up_goes_to_the_next() {
    for _ in 0..40 {
        let pool = basics(1, 2).await;
        let hang = pool.task::<(), ()>("hang").expect("a task");
        let block = pool.task::<(u32,), u32>("block-ms").expect("a task");
        let add = pool.task::<(i64, i64), i64>("add").expect("a task");
        let mut events = pool.events();
        for _ in 0..7 {
            let hanging = hang.submit(());
            started(&mut events, 1).await;
            drop(hanging);
        }
        let blocking = block.submit((3_600_000,));
        started(&mut events, 1).await;
        let sum = add.submit((1, 2));
        drop(blocking);
        assert_eq!(bounded("the sum", sum).await.expect("a sum"), 3);
        bounded("abort", pool.abort()).await;
    }
}
