//! Many calls of one task: in which order reports come, how far ahead inputs are taken, and what becomes of the
//! rest when somebody stops reading.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{FutureExt, Stream, StreamExt};
use serde_json::json;
use wasmpool::{CallError, Failure, Outcome};

use crate::support::{basics, bounded, until};

#[tokio::test]
async fn reports_come_in_input_order_although_the_first_call_ends_last() {
    let pool = basics(2, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let inputs: Vec<u32> = (0..100).map(|n| if n == 0 { 150 } else { n % 5 }).collect();
    let reports: Vec<_> = bounded("the map", sleep.map(inputs.clone()).collect()).await;
    assert_eq!(reports.len(), 100);
    for (place, (report, input)) in reports.iter().zip(&inputs).enumerate() {
        assert_eq!(report.index, place);
        assert!(matches!(report.outcome, Outcome::Completed(ms) if ms == *input), "{report:?}");
    }
    pool.close().await;
}

#[tokio::test]
async fn inputs_that_panic_cost_nobody_else_an_input() {
    let pool = basics(2, 1).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    // Calls travel together by then, so some inputs are at hand that are not called yet.
    let mut reports = sleep.map((0..2_000).map(|n| {
        assert!(n % 500 != 499, "no input here");
        0
    }));
    let (mut indices, mut panics) = (Vec::new(), 0);
    loop {
        match bounded("a report", AssertUnwindSafe(reports.next()).catch_unwind()).await {
            Ok(Some(report)) => indices.push(report.index),
            Ok(None) => break,
            Err(_) => panics += 1,
        }
        let (least, most) = reports.size_hint();
        assert!(least <= 2_000 - indices.len() && most.is_none_or(|most| most >= 1_996 - indices.len()));
    }
    assert_eq!((panics, indices), (4, (0..1_996).collect()));
    pool.close().await;
}

#[tokio::test]
async fn a_call_that_outlasts_those_it_came_with_still_takes_a_place() {
    let pool = basics(1, 4).await;
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    let calls = (0..2_000).map(|n| (n, if n == 1_000 { 3_600_000 } else { 0 }, false, 0));
    let mut reports = boom_if.starmap(calls).as_completed();
    for _ in 1..2_000 {
        bounded("a report", reports.next()).await.expect("the others end");
    }
    until("the others have left", || pool.stats().permits_free == 63).await;
    drop(reports);
    until("it is withdrawn", || pool.stats().permits_free == 64).await;
    pool.close().await;
}

#[tokio::test]
async fn reports_as_completed_do_not_wait_for_the_first() {
    let pool = basics(1, 4).await;
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    let calls = (0..40).map(|n| (n, if n == 0 { 3_600_000 } else { 0 }, false, 0));
    let mut reports = boom_if.starmap(calls).as_completed();
    let mut seen = [false; 40];
    for _ in 1..40 {
        let report = bounded("a report", reports.next()).await.expect("the others end");
        assert!(matches!(report.outcome, Outcome::Completed(n) if n as usize == report.index));
        assert!(!std::mem::replace(&mut seen[report.index], true), "told twice");
    }
    assert!(!seen[0]);
    drop(reports);
    until("the end of the first", || pool.stats().calls_unanswered == 0).await;
    pool.close().await;
}

#[tokio::test]
async fn a_stream_that_has_begun_in_order_can_go_on_as_completed() {
    let pool = basics(2, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let mut reports = sleep.map((0..60).map(|n| if n % 9 == 4 { 20 } else { 0 }));
    let mut seen: Vec<usize> = Vec::new();
    for _ in 0..5 {
        seen.push(bounded("a report", reports.next()).await.expect("a report").index);
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    let mut reports = reports.as_completed();
    while let Some(report) = bounded("a report", reports.next()).await {
        seen.push(report.index);
    }
    assert!(bounded("the end", reports.next()).await.is_none(), "an end is an end");
    seen.sort_unstable();
    assert_eq!(seen, (0..60).collect::<Vec<_>>());
    pool.close().await;
}

/// Numbers without end, with a count of how many were taken.
fn counted() -> (impl Iterator<Item = u32> + Send + 'static, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    (
        std::iter::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            0
        }),
        taken,
    )
}

#[tokio::test]
async fn inputs_are_taken_a_bounded_number_ahead() {
    let pool = basics(2, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let (inputs, taken) = counted();
    let mut reports = sleep.map(inputs.map(|_| 2)).as_completed();
    assert_eq!(taken.load(Ordering::SeqCst), 0, "nothing is taken before somebody reads");
    for given in 1..=200 {
        assert!(bounded("a report", reports.next()).await.expect("endless").is_completed());
        let ahead = taken.load(Ordering::SeqCst) - given;
        assert!(ahead <= 16, "{ahead} inputs ahead of {given}: twice as many as can run are enough");
    }
    drop(reports);
    until("the rest", || pool.stats().calls_unanswered == 0).await;
    pool.close().await;
}

#[tokio::test]
async fn of_short_calls_as_many_are_taken_ahead_as_keep_the_workers_busy_for_a_moment() {
    let pool = basics(2, 4).await;
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let (inputs, taken) = counted();
    let mut reports = add.starmap(inputs.map(|n| (i64::from(n), 1)));
    for given in 1..=20_000 {
        assert!(bounded("a report", reports.next()).await.expect("endless").is_completed());
        let ahead = taken.load(Ordering::SeqCst) - given;
        assert!(ahead <= 2 * 3 * 512 + 16, "{ahead} inputs ahead of {given}");
    }
    drop(reports);
    until("the rest", || pool.stats().calls_unanswered == 0).await;
    let all = basics(2, 4).await.stats().permits_free;
    // Workers come by what was withdrawn and drop it.
    until("the queue", || pool.stats().attempts_queued == 0).await;
    assert_eq!(pool.stats().permits_free, all);
    pool.close().await;
}

#[tokio::test]
async fn a_reader_who_is_never_kept_waiting_does_not_keep_his_thread_from_all_else() {
    let pool = basics(1, 1).await;
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    let mut reports = add.starmap(std::iter::repeat((1, 2)));
    let read = async { while reports.next().await.is_some() {} };
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), read).await.is_err());
    drop(reports);
    pool.close().await;
}

#[tokio::test]
async fn a_call_that_takes_its_time_keeps_none_of_those_that_came_with_it() {
    let pool = basics(1, 16).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let ms = |index: usize| if index % 1_000 == 999 { 3_000 } else { 0 };
    let mut reports = sleep.map((0..3_000).map(ms)).as_completed();
    for _ in 0..2_997 {
        let report = bounded("a report", reports.next()).await.expect("there are more");
        assert!(report.is_completed() && ms(report.index) == 0, "{report:?}");
    }
    for _ in 0..3 {
        let report = bounded("a report", reports.next()).await.expect("there are more");
        assert!(report.is_completed() && report.running.as_secs() >= 2, "{report:?}");
    }
    assert!(reports.next().await.is_none());
    pool.close().await;
}

#[tokio::test]
async fn a_call_that_overruns_its_time_among_short_ones_is_the_only_one_that_fails() {
    let pool = basics(1, 4).await;
    let spin = pool.task::<(u32,), u64>("spin-ms").expect("a task");
    let spin = spin.with_timeout(std::time::Duration::from_millis(200));
    let mut reports = spin.map((0..2_000).map(|index| if index == 1_500 { 60_000 } else { 0 }));
    let mut index = 0;
    while let Some(report) = bounded("a report", reports.next()).await {
        assert_eq!((report.index, report.attempts), (index, 1));
        match report.outcome {
            Outcome::Completed(_) => assert_ne!(index, 1_500),
            Outcome::Failed(Failure::TimedOut(_)) => assert_eq!(index, 1_500),
            other => panic!("{index}: {other:?}"),
        }
        index += 1;
    }
    assert_eq!(index, 2_000);
    pool.close().await;
}

#[tokio::test]
async fn a_first_call_that_does_not_end_bounds_what_is_held_for_it() {
    let pool = basics(1, 4).await;
    let slowly = pool.json_task("say-slowly").expect("a task");
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    let inputs = std::iter::repeat_with(move || {
        let is_first = count.fetch_add(1, Ordering::SeqCst) == 0;
        json!(["x".repeat(1 << 20), if is_first { 3_600_000 } else { 0 }])
    });
    let mut reports = slowly.map(inputs);
    // Nothing is given out, so what is taken stays until only the first is left running.
    until("the limit", || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(reports.poll_next_unpin(&mut cx).is_pending());
        taken.load(Ordering::SeqCst) > 1 && pool.stats().calls_unanswered == 1
    })
    .await;
    let taken = taken.load(Ordering::SeqCst);
    assert!((60..=65).contains(&taken), "{taken} inputs of 1 MiB are held, of 64 MiB");
    drop(reports);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn the_first_failure_ends_try_values_and_withdraws_the_rest() {
    let pool = basics(2, 4).await;
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    let calls = (0..).map(|n| (n, if n > 3 { 3_600_000 } else { 0 }, n == 3, 0));
    let failed = bounded("try_values", boom_if.starmap(calls).try_values()).await;
    assert!(matches!(failed, Err(CallError::Failed(Failure::Trapped(_)))), "{failed:?}");
    until("the rest", || pool.stats().calls_unanswered == 0).await;
    assert_eq!(pool.stats().permits_free, 64);
    let calls = (0..50).map(|n| (n, 0, false, n % 3));
    let values = bounded("try_values", boom_if.starmap(calls).try_values()).await.expect("all end well");
    assert_eq!(values, (0..50).collect::<Vec<_>>());
    pool.close().await;
}

#[tokio::test]
async fn the_size_hint_counts_what_is_left() {
    let pool = basics(1, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let mut reports = sleep.map(vec![0; 30]);
    for left in (0..30).rev() {
        assert_eq!(reports.size_hint(), (left + 1, Some(left + 1)));
        assert!(bounded("a report", reports.next()).await.is_some());
    }
    assert_eq!(reports.size_hint(), (0, Some(0)));
    assert_eq!(sleep.map((0..30).filter(|n| n % 2 == 0)).size_hint(), (0, Some(30)));
    assert_eq!(sleep.map(std::iter::repeat(0)).size_hint(), (usize::MAX, None));
    assert!(bounded("nothing", sleep.map([]).next()).await.is_none());
    pool.close().await;
}

#[tokio::test]
async fn reports_dropped_midway_withdraw_their_calls() {
    let pool = basics(2, 4).await;
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    for round in 0..20 {
        let mut reports =
            boom_if.starmap((0..).map(|n| (n, if n > 4 { 3_600_000 } else { n % 2 }, false, 0)));
        for _ in 0..round % 5 {
            assert!(bounded("a report", reports.next()).await.expect("endless").is_completed());
        }
        drop(reports);
        until("the withdrawn", || pool.stats().calls_unanswered == 0).await;
    }
    assert_eq!(pool.stats().permits_free, 64);
    bounded("close", pool.close()).await;
}

#[tokio::test]
async fn inputs_may_be_waited_for_while_calls_run() {
    let pool = basics(1, 4).await;
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let (give, take) = tokio::sync::mpsc::channel::<(u32,)>(1);
    let inputs = futures::stream::unfold(take, async |mut take| Some((take.recv().await?, take)));
    let mut reports = sleep.starmap_stream(inputs);
    for ms in 0..20 {
        give.send((ms,)).await.expect("somebody reads");
        let report = bounded("a report", reports.next()).await.expect("one for each input");
        assert!(matches!(report.outcome, Outcome::Completed(slept) if slept == ms));
    }
    drop(give);
    assert!(bounded("the end", reports.next()).await.is_none());
    pool.close().await;
}

#[tokio::test]
async fn bad_inputs_in_the_middle_fail_alone() {
    let pool = basics(2, 4).await;
    let add = pool.json_task("add").expect("a task");
    let inputs: Vec<_> = (0..90).map(|n| if n % 3 == 1 { json!(["x", n]) } else { json!([n, 1]) }).collect();
    let reports: Vec<_> = bounded("the map", add.map(inputs).collect()).await;
    for (n, report) in reports.into_iter().enumerate() {
        assert_eq!(report.index, n);
        match report.outcome {
            Outcome::Completed(sum) => assert_eq!(sum, json!(n + 1)),
            outcome => assert!(matches!(outcome, Outcome::Failed(Failure::BadInput(_))) && n % 3 == 1),
        }
    }
    pool.close().await;
}
