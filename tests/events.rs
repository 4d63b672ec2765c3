//! What a pool tells while it works: each call's story whole and in order, and a slow listener loses events rather
//! than holding anybody up.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};

use futures::StreamExt;
use wasmpool::{AttemptId, CallId, Event};

use crate::support::{BASICS, basics, bounded, builder, failure_of, hear, rest_of};

/// The events of one call, each as a word.
fn story(events: &[Event], id: CallId) -> Vec<String> {
    let is_of = |attempt: &AttemptId| attempt.call == id;
    let tell = |event: &Event| match event {
        Event::AttemptStarted { attempt, .. } if is_of(attempt) => {
            Some(format!("started {}", attempt.attempt))
        }
        Event::AttemptEnded { attempt, failure, .. } if is_of(attempt) => {
            Some(format!("ended {} {}", attempt.attempt, failure.unwrap_or("well")))
        }
        Event::RunAgain { call, .. } if *call == id => Some("again".to_owned()),
        Event::GuestLine { attempt: Some(attempt), text, .. } if is_of(attempt) => {
            Some(format!("said {text}"))
        }
        Event::CallEnded { call, failure, .. } if *call == id => {
            Some(format!("over {}", failure.unwrap_or("well")))
        }
        _ => None,
    };
    events.iter().filter_map(tell).collect()
}

#[tokio::test]
async fn a_call_is_told_from_its_start_to_its_end() {
    let pool = basics(1, 4).await;
    let events = pool.events();
    let slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task");
    let fail = pool.task::<(String,), u32>("fail").expect("a task");
    let (talks, fails) = (slowly.submit(("it".to_owned(), 1)), fail.submit(("no".to_owned(),)));
    let (talker, failed) = (talks.id().expect("accepted"), fails.id().expect("accepted"));
    bounded("the talker", talks).await.expect("it only talks");
    assert!(bounded("the failure", fails).await.is_err());
    pool.close().await;
    let events = rest_of(events).await;
    assert_eq!(
        story(&events, talker),
        ["started 1", "said it begins", "said it ends", "ended 1 well", "over well"]
    );
    assert_eq!(story(&events, failed), ["started 1", "ended 1 task-error", "over task-error"]);
}

#[tokio::test]
async fn an_interrupted_call_is_told_attempt_by_attempt() {
    let pool = basics(1, 4).await;
    let mut told = pool.events();
    let events = pool.events();
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    let slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task");
    let innocent = slowly.submit(("it".to_owned(), 50));
    let id = hear(&mut told, "it begins").await;
    let culprit = boom_if.submit((0, 0, true, 0));
    let culprits_id = culprit.id().expect("accepted");
    failure_of(bounded("the culprit", culprit).await);
    let report = bounded("the innocent", innocent.report()).await.expect("accepted");
    assert_eq!((report.attempts, report.interruptions), (1, 1));
    pool.close().await;
    let events = rest_of(events).await;
    let expected = [
        "started 1",
        "said it begins",
        "ended 1 interrupted",
        "again",
        "started 2",
        "said it begins",
        "said it ends",
        "ended 2 well",
        "over well",
    ];
    assert_eq!(story(&events, id), expected);
    let culprits: Vec<_> =
        story(&events, culprits_id).into_iter().filter(|word| !word.starts_with("said ")).collect();
    assert_eq!(culprits, ["started 1", "ended 1 trapped", "over trapped"]);
}

#[tokio::test]
async fn a_cancelled_attempt_that_began_also_ends() {
    let pool = basics(1, 1).await;
    let mut told = pool.events();
    let events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let runs = hang.submit(("in".to_owned(),));
    let running = hear(&mut told, "in").await;
    let waits = hang.submit(("never".to_owned(),));
    let waiting = waits.id().expect("accepted");
    waits.cancel();
    runs.cancel();
    let report = bounded("the running one", runs.report()).await.expect("accepted");
    assert!(report.running > std::time::Duration::ZERO, "it ran: {report:?}");
    drop(waits);
    pool.close().await;
    let events = rest_of(events).await;
    assert_eq!(story(&events, running), ["started 1", "said in", "ended 1 cancelled", "over cancelled"]);
    assert_eq!(story(&events, waiting), ["over cancelled"]);
}

#[tokio::test]
async fn every_attempt_that_starts_ends_and_every_call_ends_once() {
    let pool = basics(2, 8).await;
    let events = pool.events();
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    let calls: Vec<_> = (0..80).map(|n| boom_if.submit((n, n % 3, n % 20 == 7, n % 2))).collect();
    let ids: Vec<_> = calls.iter().map(|call| call.id().expect("accepted")).collect();
    for (n, call) in calls.into_iter().enumerate() {
        if n % 11 == 5 {
            call.cancel();
        }
        drop(bounded("a call", call).await);
    }
    pool.close().await;
    let events = rest_of(events).await;
    for id in ids {
        let words: Vec<_> =
            story(&events, id).into_iter().filter(|word| !word.starts_with("said ")).collect();
        assert!(words.last().is_some_and(|last| last.starts_with("over ")), "{words:?}");
        assert_eq!(words.iter().filter(|word| word.starts_with("over ")).count(), 1, "{words:?}");
        let starts = words.iter().filter(|word| word.starts_with("started ")).count();
        for attempt in 1..=starts {
            let started = words.iter().position(|word| *word == format!("started {attempt}"));
            let ended = words.iter().position(|word| word.starts_with(&format!("ended {attempt} ")));
            assert!(started.is_some() && started < ended, "{words:?}");
        }
        assert_eq!(words.iter().filter(|word| word.starts_with("ended ")).count(), starts, "{words:?}");
    }
}

#[tokio::test]
async fn a_listener_that_does_not_listen_is_told_how_much_it_lost() {
    let pool = builder(BASICS, 1, 4).await.event_backlog(8).build().await.expect("the guest opens");
    let mut events = pool.events();
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    for n in 0..100 {
        assert_eq!(bounded("a call", add.call((n, n))).await.expect("a sum"), 2 * n);
    }
    pool.close().await;
    let lost = bounded("an event", events.next()).await.expect("the pool is alive").expect_err("it was slow");
    assert!(lost.0 >= 200, "{lost}");
    let rest = rest_of(events).await;
    assert!(rest.len() <= 8 && matches!(rest.last(), Some(Event::PoolClosed)));
}

#[tokio::test]
async fn a_listener_that_blocks_holds_no_worker_up() {
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let (said, heard) = mpsc::channel();
    let listens = move |event| {
        // Blocks until the test is through with its calls.
        let _ = may_go_on.recv();
        let _ = said.send(matches!(event, Event::PoolClosed));
    };
    let pool =
        builder(BASICS, 2, 4).await.event_backlog(4).on_event(listens).build().await.expect("it opens");
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    for n in 0..200 {
        assert_eq!(bounded("a call", add.call((n, n))).await.expect("a sum"), 2 * n);
    }
    bounded("close", pool.close()).await;
    drop(go_on);
    let last = bounded("the listener", tokio::task::spawn_blocking(move || heard.iter().last())).await;
    assert_eq!(last.expect("no panic"), Some(true), "the end is never lost, and ends the listener");
}

/// Panics whenever it is woken, without a word.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        std::panic::resume_unwind(Box::new("a waker of somebody's own"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_whose_waker_panics_harms_nobody() {
    let pool = basics(1, 1).await;
    let mut panicking = pool.events();
    let is_over = Arc::new(AtomicBool::new(false));
    let listens = is_over.clone();
    // It falls asleep over every event anew, whoever tells it and whatever he has locked.
    let listener = std::thread::spawn(move || {
        let waker = Waker::from(Arc::new(Panics));
        while !listens.load(Ordering::Relaxed) {
            let _ = pin!(panicking.next()).poll(&mut Context::from_waker(&waker));
        }
    });
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let mut sums = add.starmap((0..2_000).map(|n| (n, 1)));
    for n in 0..2_000 {
        let report = bounded("a sum", sums.next()).await.expect("it ends");
        assert_eq!((report.attempts, report.interruptions), (1, 0), "its worker lives");
        assert_eq!(report.value().expect("a sum"), n + 1);
    }
    is_over.store(true, Ordering::Relaxed);
    listener.join().expect("it only listens");
    pool.close().await;
}
