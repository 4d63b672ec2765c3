//! Calls that take too long: who is told, who is blamed, who goes on. What is measured is never the clock but who
//! ended how.

use std::time::Duration;

use wasmpool::{Event, Failure, Outcome, RetireReason, Stage};

use crate::command_support::map;
use crate::support::{BASICS, basics, bounded, builder, failure_of, find_event, hear, rest_of, until};

const MS: Duration = Duration::from_millis(1);

/// Returns the limit that a failure names, and what its call was doing.
#[track_caller]
fn limit_of(failure: &Failure) -> (&'static str, Stage) {
    match failure {
        Failure::TimedOut(timed_out) => (timed_out.limit, timed_out.stage),
        other => panic!("not out of time: {other}"),
    }
}

#[tokio::test]
async fn an_endless_loop_is_out_of_time_and_its_neighbours_are_run_again() {
    let pool = builder(BASICS, 1, 8).await.attempt_timeout(MS * 300).build().await.expect("opens");
    let events = pool.events();
    let task = pool.task::<(u32, u32, u32), u32>("loop-at").expect("a task");
    let reports = task.starmap((0..8).map(|n| (n, 3, 100)));
    let outcomes: Vec<_> = bounded("eight calls", futures::StreamExt::collect(reports)).await;
    for report in outcomes {
        match (report.index, &report.outcome) {
            (3, Outcome::Failed(failure)) => {
                assert_eq!(limit_of(failure), ("attempt_timeout", Stage::Running));
            }
            (3, other) => panic!("{other:?}"),
            (n, Outcome::Completed(value)) => assert_eq!(*value as usize, n),
            (n, other) => panic!("call {n}: {other:?}"),
        }
    }
    bounded("close", pool.close()).await;
    let retired =
        |event: &Event| matches!(event, Event::SandboxRetired { reason: RetireReason::OutOfTime, .. });
    assert!(rest_of(events).await.iter().any(retired));
}

#[tokio::test]
async fn a_loop_in_a_sync_task_ends_too_and_the_worker_serves_on() {
    let pool = builder(BASICS, 1, 4).await.attempt_timeout(MS * 100).build().await.expect("opens");
    let spin = pool.task::<(u64,), u64>("spin").expect("a task");
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    for _ in 0..3 {
        limit_of(&failure_of(bounded("an endless loop", spin.call((u64::MAX,))).await));
        assert_eq!(bounded("a later call", add.call((1, 2))).await.expect("a sum"), 3);
    }
}

#[tokio::test]
async fn a_call_that_waits_is_out_of_time_and_its_sandbox_stays() {
    let pool = builder(BASICS, 1, 4).await.attempt_timeout(MS * 50).build().await.expect("opens");
    let mut events = pool.events();
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let count = pool.task::<(), u32>("count").expect("a task");
    assert_eq!(bounded("a call", count.call(())).await.expect("a number"), 1);
    limit_of(&failure_of(bounded("a call that waits for ever", hang.call(())).await));
    assert_eq!(bounded("a call", count.call(())).await.expect("the same sandbox's number"), 2);
    let slow = find_event(&mut events, "a slow call", |event| match event {
        Event::SlowCall { timeout, task, .. } => Some((*timeout, task.to_string())),
        _ => None,
    });
    assert_eq!(slow.await, (Some(MS * 50), "hang".to_owned()));
}

#[tokio::test]
async fn a_call_that_wakes_after_its_time_disturbs_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    // With a writable folder whoever is disturbed cannot be run again, and would show.
    let grants = wasmpool::Grants::none().dir_writable(folder.path(), "/folder");
    let pool = builder(BASICS, 1, 16).await.grants(grants).build().await.expect("opens");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let late = sleep.with_timeout(MS * 100).submit((300,));
    let neighbours: Vec<_> = (0..8).map(|_| sleep.submit((600,))).collect();
    limit_of(&failure_of(bounded("the late one", late).await));
    for neighbour in neighbours {
        assert_eq!(bounded("a neighbour", neighbour).await.expect("undisturbed"), 600);
    }
    assert_eq!(pool.stats().sandboxes_opened, 1);
}

#[tokio::test]
async fn who_waits_and_holds_the_whole_sandbox_is_blamed_alone() {
    let limits = wasmpool::Limits::default().attempt_timeout(MS * 300).drain_limit(MS * 100);
    let pool = builder(BASICS, 1, 8).await.limits(limits).build().await.expect("opens");
    let mut events = pool.events();
    let say_slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task");
    let block = pool.task::<(u32,), u32>("block-ms").expect("a task");
    let neighbour = say_slowly.submit(("neighbour".to_owned(), 100));
    hear(&mut events, "neighbour begins").await;
    let holder = block.submit((3_600_000,));
    let failure = failure_of(bounded("the holder", holder).await);
    assert_eq!(limit_of(&failure), ("attempt_timeout", Stage::Running));
    let report = bounded("the neighbour", neighbour.report()).await.expect("accepted");
    assert!(report.is_completed(), "{:?}", report.outcome);
}

#[tokio::test]
async fn who_is_kept_waiting_for_too_long_runs_elsewhere() {
    let pool = basics(2, 8).await;
    let mut events = pool.events();
    let spin = pool.task::<(String,), u64>("say-and-spin").expect("a task");
    let slowly = pool.task::<(String, u32), ()>("say-slowly").expect("a task").with_timeout(MS * 700);
    // Both workers have one who waits, and one of them one who computes for ever.
    let waiting: Vec<_> = (0..8).map(|n| slowly.submit((n.to_string(), 300))).collect();
    for _ in 0..8 {
        let begun = |event: &Event| match event {
            Event::GuestLine { text, .. } => text.ends_with(" begins").then_some(()),
            _ => None,
        };
        find_event(&mut events, "a beginning", begun).await;
    }
    let endless = spin.submit(("spins".to_owned(),));
    for call in waiting {
        bounded("a neighbour", call).await.expect("an answer");
    }
    endless.cancel();
    bounded("the end", pool.close()).await;
}

#[tokio::test]
async fn waiting_in_the_queue_has_its_own_limit() {
    let pool = builder(BASICS, 1, 1).await.queue_timeout(MS * 50).build().await.expect("opens");
    let mut events = pool.events();
    let hang = pool.task::<(String,), ()>("say-and-hang").expect("a task");
    let first = hang.submit(("in".to_owned(),));
    hear(&mut events, "in").await;
    let second = hang.submit(("never in".to_owned(),));
    let report = bounded("the second", second.report()).await.expect("accepted");
    let Outcome::Failed(failure) = &report.outcome else { panic!("{report:?}") };
    assert_eq!(limit_of(failure), ("queue_timeout", Stage::Queued));
    assert_eq!((report.attempts, report.running), (0, Duration::ZERO));
    assert!(!first.is_finished(), "one who runs does not wait");
    first.cancel();
}

#[tokio::test]
async fn the_deadline_counts_waiting_and_running() {
    let pool = builder(BASICS, 1, 1).await.deadline(MS * 100).build().await.expect("opens");
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let (first, second) = (hang.submit(()), hang.submit(()));
    let ends = [first, second].map(|call| async { failure_of(bounded("a call", call).await) });
    let [first, second] = ends;
    assert_eq!(limit_of(&first.await), ("deadline", Stage::Running));
    assert_eq!(limit_of(&second.await).0, "deadline");
    let endless = hang.with_deadline(None).submit(());
    until("it runs", || pool.stats().calls_running == 1).await;
    endless.cancel();
}

#[tokio::test]
async fn a_handle_counts_before_the_pool_and_the_pool_before_the_attribute() {
    let pool = basics(1, 4).await;
    let nap = pool.task::<(u32,), u32>("nap-at-most").expect("a task");
    assert_eq!(bounded("a short nap", nap.call((1,))).await.expect("in time"), 1);
    let failure = failure_of(bounded("a long nap", nap.call((3_600_000,))).await);
    let Failure::TimedOut(timed_out) = &failure else { panic!("{failure}") };
    assert_eq!(timed_out.time, MS * 100, "what the attribute says");
    assert_eq!(bounded("a nap", nap.with_timeout(None).call((200,))).await.expect("no limit"), 200);

    let pool =
        builder(BASICS, 1, 4).await.attempt_timeout(Duration::from_secs(60)).build().await.expect("opens");
    let nap = pool.task::<(u32,), u32>("nap-at-most").expect("a task");
    assert_eq!(bounded("a nap", nap.call((200,))).await.expect("the pool's limit"), 200);
    let failure = failure_of(bounded("a nap", nap.with_timeout(MS * 10).call((3_600_000,))).await);
    assert!(matches!(failure, Failure::TimedOut(_)), "{failure}");
}

#[test]
fn the_command_says_which_limit_it_was_and_what_to_do() {
    let input: String = (0..8).map(|n| format!("[{n},3,100]\n")).collect();
    let ran = map(&["loop-at", "-w", "1", "-c", "8", "--timeout", "300ms"], input).exits(1);
    let records: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let error = &records[3]["error"];
    assert_eq!((error["kind"].as_str(), error["stage"].as_str()), (Some("timed-out"), Some("running")));
    assert!(error["message"].as_str().expect("a message").contains("--timeout"), "{error}");
    assert_eq!(records.iter().filter(|record| record["ok"].is_number()).count(), 7, "{records:?}");
    let ran = map(&["hang", "--times", "3", "--deadline", "100ms", "-w", "1"], "").exits(1);
    assert!(ran.stdout.contains(r#""limit":"deadline""#), "{ran:?}");
    map(&["hang", "--timeout", "0s"], "").exits(2).says("--timeout: it must be longer than nothing");
}
