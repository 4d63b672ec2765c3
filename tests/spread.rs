//! Where calls run: busy ones on different workers, waiting ones together. Nothing here looks at a clock:
//! a busy call never ends, so two of them on one worker would show as one that never starts.

use std::collections::HashSet;

use wasmpool::{Event, Events, WorkerId};

use crate::support::{basics, bounded, find_event};

/// Waits for the next attempt to start, and returns its worker.
async fn next_start(events: &mut Events) -> WorkerId {
    find_event(events, "the start of an attempt", |event| match event {
        Event::AttemptStarted { worker, .. } => Some(*worker),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn busy_calls_run_on_different_workers() {
    let pool = basics(4, 16).await;
    let mut events = pool.events();
    let forever = pool.task::<(), u64>("forever").expect("a task");
    let calls: Vec<_> = (0..4).map(|_| forever.submit(())).collect();
    let mut used = HashSet::new();
    for _ in &calls {
        used.insert(next_start(&mut events).await);
    }
    assert_eq!(used.len(), 4, "each busy call has a worker for itself");
    bounded("abort", pool.abort()).await;
}

#[tokio::test]
async fn eight_busy_calls_over_two_workers_use_both() {
    let pool = basics(2, 16).await;
    let mut events = pool.events();
    let forever = pool.task::<(), u64>("forever").expect("a task");
    let mut used = HashSet::new();
    let mut running = Vec::new();
    let mut started = 0;
    for _ in 0..8 {
        running.push(forever.submit(()));
    }
    while started < 8 {
        used.insert(
            find_event(&mut events, "a start", |event| match event {
                Event::AttemptStarted { worker, .. } => Some(*worker),
                _ => None,
            })
            .await,
        );
        started += 1;
        // Two run; whichever is withdrawn frees its worker for the next.
        if started >= 2 {
            drop(running.remove(0));
        }
    }
    assert_eq!(used.len(), 2);
    bounded("abort", pool.abort()).await;
}

#[tokio::test]
async fn calls_that_compute_for_a_while_are_all_served_by_one_worker() {
    let pool = basics(1, 16).await;
    let spin = pool.task::<(u32,), u64>("spin-ms").expect("a task");
    let spin_async = pool.task::<(u32,), u64>("spin-ms-async").expect("a task");
    // Around the length of a tick, so that some calls are met busy and end before the next look around.
    for ms in [1, 9, 11, 19, 25] {
        for _ in 0..4 {
            let (one, other) =
                bounded("busy calls", async { tokio::join!(spin.call((ms,)), spin_async.call((ms,))) }).await;
            assert!(one.is_ok() && other.is_ok());
        }
        let calls: Vec<_> = (0..8).map(|_| spin.submit((ms,))).collect();
        for call in calls {
            bounded("a busy call", call).await.expect("it only computes");
        }
    }
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn a_waiting_call_ends_although_its_worker_was_busy_meanwhile() {
    let pool = basics(1, 16).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let spin = pool.task::<(u32,), u64>("spin-ms").expect("a task");
    for _ in 0..5 {
        let waiting: Vec<_> = (0..8).map(|ms| sleep.submit((ms,))).collect();
        let busy = spin.submit((30,));
        for call in waiting {
            bounded("a waiting call", call).await.expect("it only waits");
        }
        bounded("the busy call", busy).await.expect("it only computes");
    }
    pool.close().await;
}
