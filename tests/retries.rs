//! Calls that fail are tried again as the builder, the handle or the task's attribute says, and the report tells what
//! came before.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use wasmpool::wasmtime::{self, component::ComponentType, component::Lift};
use wasmpool::{
    CallError, CallReport, Event, Failure, Outcome, Pool, PoolBuilder, PoolError, RetryOn, RetryPolicy, Task,
};

use crate::command_support::{end_of, wasmpool};
use crate::guests::component;
use crate::support::{bounded, builder, find_event, until};

const RETRIES: &str = "tests/guests/retries";
const MS: Duration = Duration::from_millis(1);

async fn pool(set: impl FnOnce(PoolBuilder) -> PoolBuilder) -> Pool {
    set(builder(RETRIES, 2, 8).await).build().await.expect("the guest opens")
}

fn task(pool: &Pool, name: &str) -> Task<(u32,), u32> {
    pool.task(name).expect("it is a task")
}

async fn report(task: &Task<(u32,), u32>, arg: u32) -> CallReport<u32> {
    bounded("a call", task.submit((arg,)).report()).await.expect("the pool is open")
}

fn kinds(report: &CallReport<u32>) -> Vec<(u32, &'static str)> {
    report.history.iter().map(|failed| (failed.attempt, failed.kind)).collect()
}

#[tokio::test]
async fn without_a_policy_a_call_gets_one_attempt() {
    let pool = pool(|builder| builder).await;
    let report = report(&task(&pool, "err-until"), 2).await;
    assert!(matches!(&report.outcome, Outcome::Returned(error) if error.message == "attempt 1 is too early"));
    assert_eq!((report.attempts, report.history.len()), (1, 0));
}

#[tokio::test]
async fn of_calls_that_came_together_each_that_fails_is_tried_again_by_itself() {
    let pool = pool(|builder| builder.retry(RetryPolicy::exponential(MS).attempts(3))).await;
    let attempts = |index| if index % 100 == 50 { 2 } else { 1 };
    let reports = task(&pool, "err-until").map((0..2_000).map(attempts));
    let reports: Vec<_> = bounded("the map", reports.collect()).await;
    assert_eq!(reports.len(), 2_000);
    for (index, report) in (0..).zip(&reports) {
        let needed = attempts(index);
        assert!(matches!(report.outcome, Outcome::Completed(value) if value == needed), "{report:?}");
        assert_eq!((report.index, report.attempts), (index as usize, needed), "{report:?}");
    }
    assert_eq!(pool.stats().attempts_retried, 20);
    pool.close().await;
}

#[tokio::test]
async fn a_call_that_fails_is_tried_again_until_it_succeeds_and_its_report_tells_what_came_before() {
    let pool = pool(|builder| builder.retry(RetryPolicy::exponential(MS).attempts(5))).await;
    let mut events = pool.events();
    let call = task(&pool, "err-until").submit((3,));
    let id = call.id();
    let report = bounded("a call", call.report()).await.expect("the pool is open");
    assert!(matches!(report.outcome, Outcome::Completed(3)));
    assert_eq!((report.attempts, kinds(&report)), (3, vec![(1, "task-error"), (2, "task-error")]));
    assert_eq!(report.history[1].message, "attempt 2 is too early");
    let told = find_event(&mut events, "a retry", |event| match event {
        Event::RetryIn { attempt, failure, .. } => Some((attempt.call, attempt.attempt, *failure)),
        _ => None,
    });
    assert_eq!(told.await, (id.expect("it was accepted"), 2, "task-error"));
    assert_eq!((pool.stats().attempts_retried, pool.stats().calls_pausing), (2, 0));
}

#[tokio::test]
async fn attempts_run_out() {
    let pool = pool(|builder| builder.retry(RetryPolicy::fixed(3, MS))).await;
    let report = report(&task(&pool, "err-until"), 9).await;
    assert!(matches!(&report.outcome, Outcome::Returned(error) if error.message == "attempt 3 is too early"));
    assert_eq!(report.attempts, 3);
}

#[tokio::test]
async fn the_tasks_attribute_rules_unless_the_pool_or_a_handle_says_otherwise() {
    let plain = pool(|builder| builder).await;
    assert_eq!(report(&task(&plain, "marked"), 9).await.attempts, 4);
    assert_eq!(report(&task(&plain, "marked").with_attempts(2), 9).await.attempts, 2);
    let told = pool(|builder| builder.retry(RetryPolicy::default().attempts(3))).await;
    assert_eq!(report(&task(&told, "marked"), 9).await.attempts, 3);
    assert_eq!(report(&task(&told, "marked").with_retry(RetryPolicy::none()), 9).await.attempts, 1);
}

#[tokio::test]
async fn a_permanent_error_gets_one_attempt_and_one_that_says_when_is_left_alone_until_then() {
    let pool = pool(|builder| builder).await;
    let permanent: Task<(), u32> = pool.task("permanent").expect("it is a task");
    let report = bounded("a call", permanent.submit(()).report()).await.expect("the pool is open");
    assert!(matches!(&report.outcome, Outcome::Returned(error) if error.permanent));
    assert_eq!(report.attempts, 1);
    let report = self::report(&task(&pool, "come-back"), 150).await;
    assert!(matches!(report.outcome, Outcome::Completed(2)));
    assert_eq!(report.history[0].delay, Duration::from_millis(150));
    assert!(report.waiting >= Duration::from_millis(150));
    let by_json = pool.json_task("permanent").expect("it is a task").submit(json!([]));
    assert_eq!(bounded("a call", by_json.report()).await.expect("the pool is open").attempts, 1);
    let too_late = task(&pool, "come-back").with_retry(RetryPolicy::default().within(Duration::from_secs(5)));
    assert_eq!(self::report(&too_late, 10_000).await.attempts, 1, "the budget is looked at before the pause");
    let too_late = task(&pool, "come-back").with_deadline(Duration::from_secs(5));
    let report = self::report(&too_late, 10_000).await;
    assert!(matches!(report.outcome, Outcome::Returned(_)), "and so is the deadline");
}

#[derive(Clone, Debug, ComponentType, Lift)]
#[component(variant)]
enum Trouble {
    #[component(name = "busy")]
    Busy(u32),
    #[component(name = "gone")]
    Gone,
}

#[tokio::test]
async fn an_error_of_the_authors_own_is_tried_again_by_its_case_or_as_a_handle_says() {
    let pool = pool(|builder| builder).await;
    let by_json = pool.json_task("by-case").expect("it is a task");
    let attempts = |busy: bool| {
        let call = by_json.submit(json!(busy)).report();
        async move { bounded("a call", call).await.expect("the pool is open").attempts }
    };
    assert_eq!((attempts(true).await, attempts(false).await), (3, 1));
    let typed = pool.task_with_error::<(bool,), u32, Trouble>("by-case").expect("it is a task");
    let attempts = |task: &Task<(bool,), u32, Trouble>, busy| {
        let call = task.submit((busy,)).report();
        async move { bounded("a call", call).await.expect("the pool is open").attempts }
    };
    assert_eq!(attempts(&typed, true).await, 1, "nobody knows the case's name");
    let gone = typed.retry_when(|error| matches!(error, Trouble::Gone));
    assert_eq!((attempts(&gone, true).await, attempts(&gone, false).await), (1, 3));
    let busy = typed.retry_when(|error| matches!(error, Trouble::Busy(attempt) if *attempt < 9));
    assert_eq!(attempts(&busy, true).await, 3);
}

#[tokio::test]
async fn traps_and_timeouts_are_tried_again_if_the_policy_says_so() {
    let policy = RetryPolicy::fixed(3, MS).on([RetryOn::Trapped, RetryOn::TimedOut]);
    let pool = pool(|builder| builder.retry(policy)).await;
    let trapped = report(&task(&pool, "panic-until"), 3).await;
    assert!(matches!(trapped.outcome, Outcome::Completed(3)), "{:?}", trapped.outcome);
    assert_eq!(kinds(&trapped), [(1, "trapped"), (2, "trapped")]);
    assert!(trapped.history[0].message.contains("attempt 1 is too early"));
    let hurried = task(&pool, "sleep-until").with_timeout(Duration::from_secs(1));
    let late = report(&hurried, 2).await;
    assert!(matches!(late.outcome, Outcome::Completed(2)), "{:?}", late.outcome);
    assert_eq!(kinds(&late), [(1, "timed-out")]);
    assert_eq!(report(&task(&pool, "err-until"), 2).await.attempts, 1, "an error is not among the kinds");
}

#[tokio::test]
async fn a_call_that_trapped_runs_alone_from_then_on() {
    let policy = RetryPolicy::fixed(4, MS).on([RetryOn::Trapped]);
    let pool = builder(RETRIES, 1, 8).await.retry(policy).build().await.expect("the guest opens");
    let naps: Vec<_> = (0..6).map(|_| task(&pool, "nap").submit((400,))).collect();
    until("the naps run", || pool.stats().calls_running == 6).await;
    let trapped = report(&task(&pool, "panic-until"), 4).await;
    assert!(matches!(trapped.outcome, Outcome::Completed(4)));
    for nap in naps {
        let nap = bounded("a nap", nap.report()).await.expect("the pool is open");
        assert!(nap.is_completed() && nap.interruptions <= 1, "only its first trap met others: {nap:?}");
    }
}

#[tokio::test]
async fn a_call_that_pauses_is_withdrawn_at_once_and_waited_for_by_close_and_ended_by_abort() {
    let slow = RetryPolicy::fixed(2, Duration::from_secs(3_600));
    let pool = pool(|builder| builder.retry(slow)).await;
    let err_until = task(&pool, "err-until");
    let withdrawn = err_until.submit((2,));
    until("it pauses", || pool.stats().calls_pausing == 1).await;
    withdrawn.cancel();
    assert!(matches!(withdrawn.await, Err(CallError::Failed(Failure::Cancelled))));
    let soon = err_until.with_retry(RetryPolicy::fixed(2, Duration::from_millis(200))).submit((2,));
    until("it pauses too", || pool.stats().attempts_retried == 2).await;
    let late = err_until.submit((2,));
    until("the late one pauses", || pool.stats().attempts_retried == 3).await;
    bounded("the end", pool.close_within(Duration::from_millis(1_500))).await;
    assert_eq!(soon.await.expect("it was waited for"), 2);
    assert!(matches!(late.await, Err(CallError::Failed(Failure::Cancelled))));
}

#[tokio::test]
async fn a_policy_that_makes_no_sense_is_refused() {
    let builder = builder(RETRIES, 1, 1).await.retry(RetryPolicy::default().attempts(0));
    let Err(PoolError::BadSetting { setting, .. }) = builder.build().await else { panic!("it is bad") };
    assert_eq!(setting, "retry");
}

#[test]
fn the_flags_are_followed_and_records_have_the_history() {
    let map = |task_and_flags: &[&str], input: &str| {
        end_of(wasmpool(["map"]).arg(component(RETRIES)).args(task_and_flags).write_stdin(input))
    };
    let ran = map(&["err-until", "--attempts", "3", "--retry-delay", "1ms", "-v"], "1\n3\n9\n");
    let records = ran.records();
    let seen: Vec<_> = records.iter().map(|record| (&record["ok"], &record["attempts"])).collect();
    assert_eq!(seen, [(&json!(1), &json!(1)), (&json!(3), &json!(3)), (&Value::Null, &json!(3))]);
    assert!(records[0].get("history").is_none());
    assert_eq!(records[1]["history"][1]["message"], "attempt 2 is too early");
    assert_eq!(records[1]["history"][1]["kind"], "task-error");
    assert!(records[1]["history"][0]["retry_in_ms"].as_f64() <= Some(1.0));
    assert_eq!(ran.summary(), "3 calls: 2 done, 1 failed (1 task-error), 2 retried");
    ran.exits(1).says("call 1 of `err-until` task-error: attempt 2 in ");
    assert_eq!(map(&["marked", "--attempts", "1"], "2\n").records()[0]["error"]["kind"], "task-error");
    let again = ["panic-until", "--retry-on", "trapped", "--retry-delay", "1ms"];
    assert_eq!(map(&again, "2\n").records()[0]["ok"], 2);
}
