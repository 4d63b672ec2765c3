//! Queues that a pool's sandboxes share with each other and with the embedder: nothing in them is lost, nothing comes
//! twice that was processed, and nobody waits for ever.

use std::time::Duration;

use futures::future::join_all;
use wasmpool::{
    CallError, CallHandle, Event, Failure, Limits, Pool, Queue, QueueError, RetryPolicy, TaskError,
};

use crate::command_support::{end_of, wasmpool};
use crate::guests::component;
use crate::support::{bounded, builder, failure_of, find_event, hear, until};

const QUEUES: &str = "tests/guests/queues";
const JOBS: &str = "guest/examples/jobs";

type Consumer = CallHandle<u32, TaskError>;

async fn pool() -> Pool {
    builder(QUEUES, 2, 8).await.build().await.expect("the guest opens")
}

fn consume(pool: &Pool, from: &Queue<i64>, to: &Queue<i64>, panics_at: Option<i64>) -> Consumer {
    let task = pool.task::<(Queue<i64>, Queue<i64>, Option<i64>), u32>("consume").expect("it is a task");
    task.submit((from.clone(), to.clone(), panics_at))
}

async fn all_of(queue: &Queue<i64>) -> Vec<i64> {
    queue.close();
    let mut items = Vec::new();
    while let Some(item) = bounded("an item", queue.get()).await.expect("it is a number") {
        items.push(item);
    }
    items.sort_unstable();
    items
}

#[tokio::test]
async fn five_consumers_share_what_one_producer_puts_and_end_with_the_queue() {
    let pool = pool().await;
    let (numbers, done) = (pool.queue::<i64>("numbers", 4), pool.queue::<i64>("done", 1_000));
    let consumers: Vec<_> = (0..5).map(|_| consume(&pool, &numbers, &done, None)).collect();
    for number in 0..200 {
        bounded("room", numbers.put(&number)).await.expect("it is open");
    }
    numbers.close();
    let seen = bounded("the consumers", join_all(consumers)).await;
    let seen: u32 = seen.into_iter().map(|seen| seen.expect("it ends well")).sum();
    assert_eq!((seen, all_of(&done).await), (200, (0..200).collect()));
    assert!(matches!(numbers.put(&1).await, Err(QueueError::Closed)));
}

#[tokio::test]
async fn an_item_whose_taker_panics_is_processed_by_another_and_every_other_once() {
    let pool = pool().await;
    let (numbers, done) = (pool.queue::<i64>("numbers", 64), pool.queue::<i64>("done", 1_000));
    for number in 0..60 {
        numbers.put(&number).await.expect("there is room");
    }
    // It has the queue to itself until it comes to its value, so that nobody else gets that first.
    let panics = consume(&pool, &numbers, &done, Some(9));
    let failure = failure_of(bounded("the one that panics", panics).await);
    assert!(matches!(failure, Failure::Trapped(_)), "{failure}");
    assert_eq!((numbers.stats().items, done.stats().items), (51, 9));
    let others: Vec<_> = (0..4).map(|_| consume(&pool, &numbers, &done, None)).collect();
    numbers.close();
    let seen = bounded("the others", join_all(others)).await;
    assert_eq!(seen.into_iter().map(|seen| seen.expect("it ends well")).sum::<u32>(), 51);
    assert_eq!(all_of(&done).await, (0..60).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_item_that_kills_everybody_is_set_aside_after_three_deliveries() {
    let pool = pool().await;
    let mut events = pool.events();
    let (numbers, done) = (pool.queue::<i64>("numbers", 8), pool.queue::<i64>("done", 8));
    for number in 0..3 {
        numbers.put(&number).await.expect("there is room");
    }
    for _ in 0..3 {
        let failure = failure_of(bounded("a consumer", consume(&pool, &numbers, &done, Some(0))).await);
        assert!(matches!(failure, Failure::Trapped(_)), "{failure}");
    }
    let rejected = find_event(&mut events, "the item", |event| match event {
        Event::ItemRejected { queue, item } => Some((queue.to_string(), item.to_string())),
        _ => None,
    });
    assert_eq!(rejected.await, ("numbers".to_owned(), "0".to_owned()));
    numbers.close();
    assert_eq!(bounded("a consumer", consume(&pool, &numbers, &done, None)).await.expect("it ends well"), 2);
    assert_eq!((numbers.stats().rejected, numbers.take_rejected().expect("a number")), (1, vec![0]));
    assert_eq!(all_of(&done).await, [1, 2]);
}

#[tokio::test]
async fn an_item_comes_back_from_a_call_that_fails_or_is_withdrawn_or_runs_out_of_time() {
    let pool = pool().await;
    let mut events = pool.events();
    let numbers = pool.queue::<i64>("numbers", 8);
    numbers.put(&7).await.expect("there is room");
    let fails = pool.task::<(Queue<i64>,), u32>("take-and-fail").expect("it is a task");
    let Err(CallError::Returned(error)) = bounded("a call", fails.call((numbers.clone(),))).await else {
        panic!("it fails")
    };
    assert_eq!(error.message, "took Some(7)");
    assert_eq!(numbers.stats().items, 1);
    let waits = pool.task::<(Queue<i64>,), Option<i64>>("take-and-wait").expect("it is a task");
    let handle = waits.submit((numbers.clone(),));
    hear(&mut events, "taken").await;
    assert_eq!((numbers.stats().items, numbers.stats().taken), (0, 1));
    handle.cancel();
    assert_eq!((numbers.stats().items, numbers.stats().taken), (1, 0));
    let late = waits.with_timeout(Duration::from_millis(200)).submit((numbers.clone(),));
    assert!(matches!(failure_of(bounded("a call", late).await), Failure::TimedOut(_)));
    let none: Option<i64> = numbers.try_get().unwrap_or(None);
    assert_eq!(none, None, "it came back three times and is set aside");
    assert_eq!(numbers.take_rejected().expect("a number"), [7]);
}

#[tokio::test]
async fn an_item_that_was_taken_is_processed_before_anybody_hears_of_the_end() {
    let pool = pool().await;
    let mut events = pool.events();
    let (numbers, done) = (pool.queue::<i64>("numbers", 8), pool.queue::<i64>("done", 8));
    numbers.put(&7).await.expect("there is room");
    numbers.close();
    let waits = pool.task::<(Queue<i64>,), Option<i64>>("take-and-wait").expect("it is a task");
    let first = waits.submit((numbers.clone(),));
    hear(&mut events, "taken").await;
    let second = consume(&pool, &numbers, &done, None);
    until("the second waits", || numbers.stats().getters == 1).await;
    drop(first);
    assert_eq!(bounded("the second", second).await.expect("it ends well"), 1);
}

#[tokio::test]
async fn a_queue_that_feeds_itself_ends_when_nothing_is_left() {
    let pool = pool().await;
    let nodes = pool.queue::<u32>("nodes", 1_000);
    nodes.put(&6).await.expect("there is room");
    nodes.close_when_done();
    let walk = pool.task::<(Queue<u32>,), u32>("walk").expect("it is a task");
    let walkers = (0..6).map(|_| walk.submit((nodes.clone(),)));
    let seen = bounded("the walkers", join_all(walkers)).await;
    assert_eq!(seen.into_iter().map(|seen| seen.expect("it ends well")).sum::<u32>(), 127);
    assert!(nodes.stats().is_closed);
}

#[tokio::test]
async fn closing_the_pool_ends_consumers_and_those_who_wait_outside() {
    let pool = pool().await;
    let (numbers, done) = (pool.queue::<i64>("numbers", 1), pool.queue::<i64>("done", 8));
    let consumer = consume(&pool, &numbers, &done, None);
    until("it waits", || numbers.stats().getters == 1).await;
    let outside = tokio::spawn({
        let done = done.clone();
        async move { done.get().await }
    });
    until("somebody waits outside", || done.stats().getters == 1).await;
    bounded("the end", pool.close()).await;
    assert_eq!(consumer.await.expect("it ends well"), 0);
    assert_eq!(bounded("who waits", outside).await.expect("it does not panic"), Ok(None));
    assert_eq!(numbers.put(&1).await, Err(QueueError::Closed));
    let full = pool.queue::<i64>("later", 1);
    assert_eq!(full.try_put(&1), Err(QueueError::Closed));
}

#[tokio::test]
async fn waits_have_limits_and_there_are_ways_that_do_not_wait() {
    let pool = pool().await;
    let numbers = pool.queue::<i64>("numbers", 1);
    let get_within = pool.task::<(Queue<i64>, u32), Option<i64>>("get-within").expect("it is a task");
    let put_within = pool.task::<(Queue<i64>, i64, u32), ()>("put-within").expect("it is a task");
    let try_get = pool.task::<(Queue<i64>,), Option<i64>>("try-get").expect("it is a task");
    let try_put = pool.task::<(Queue<i64>, i64), ()>("try-put").expect("it is a task");
    let message = |error: CallError| match error {
        CallError::Returned(error) => error.message,
        other => panic!("{other}"),
    };
    let q = || numbers.clone();
    assert!(message(get_within.call((q(), 20)).await.unwrap_err()).contains("in time"));
    assert!(message(try_get.call((q(),)).await.unwrap_err()).contains("empty"));
    try_put.call((q(), 5)).await.expect("there is room");
    assert!(message(try_put.call((q(), 6)).await.unwrap_err()).contains("full"));
    assert!(message(put_within.call((q(), 6, 20)).await.unwrap_err()).contains("in time"));
    assert_eq!(numbers.try_put(&6), Err(QueueError::Full));
    assert_eq!(try_get.call((q(),)).await.expect("it is there"), Some(5));
    assert_eq!(numbers.try_get(), Err(QueueError::Empty));
    pool.task::<(Queue<i64>,), ()>("close").expect("it is a task").call((q(),)).await.expect("it closes");
    assert_eq!(try_get.call((q(),)).await.expect("it is the end"), None);
    assert!(message(put_within.call((q(), 6, 20)).await.unwrap_err()).contains("no more items"));
}

#[tokio::test]
async fn a_queue_that_nobody_declared_is_denied_with_the_flag_that_declares_it() {
    let pool = pool().await;
    let find = pool.task::<(String,), bool>("find").expect("it is a task");
    let failure = failure_of(find.call(("nowhere".to_owned(),)).await);
    assert!(failure.to_string().contains("--queue nowhere=FILE"), "{failure}");
    pool.queue::<i64>("nowhere", 1);
    assert!(find.call(("nowhere".to_owned(),)).await.expect("it is declared now"));
    let by_json = pool.json_task("try-get").expect("it is a task");
    let failure = match bounded("a call", by_json.call(serde_json::json!("elsewhere"))).await {
        Err(CallError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(&failure, Failure::Denied(denial) if denial.flag == "--queue elsewhere=FILE"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_patient_consumer_outlives_a_time_limit_that_a_busy_one_does_not() {
    let limits = Limits::default().attempt_timeout(Duration::from_millis(300));
    let pool = builder(QUEUES, 1, 4).await.limits(limits).build().await.expect("the guest opens");
    let (numbers, done) = (pool.queue::<i64>("numbers", 1), pool.queue::<i64>("done", 8));
    let consumer = consume(&pool, &numbers, &done, None);
    let waits = pool.task::<(Queue<i64>,), Option<i64>>("take-and-wait").expect("it is a task");
    let other = pool.queue::<i64>("other", 1);
    other.put(&1).await.expect("there is room");
    // As long as it takes another to use up its time, twice.
    for _ in 0..2 {
        assert!(matches!(
            failure_of(bounded("a call", waits.call((other.clone(),))).await),
            Failure::TimedOut(_)
        ));
    }
    assert!(!consumer.is_finished());
    numbers.put(&1).await.expect("there is room");
    numbers.close();
    assert_eq!(bounded("the consumer", consumer).await.expect("it ends well"), 1);
}

#[tokio::test]
async fn who_computes_while_it_waits_for_an_item_is_stopped_in_its_time() {
    let limits = Limits::default().attempt_timeout(Duration::from_millis(500));
    let pool = builder(QUEUES, 1, 4).await.limits(limits).build().await.expect("the guest opens");
    let numbers = pool.queue::<i64>("numbers", 1);
    let computes = pool.task::<(Queue<i64>,), Option<i64>>("ask-and-compute").expect("it is a task");
    let call = computes.submit((numbers.clone(),));
    until("it asks", || numbers.stats().getters == 1).await;
    let failure = failure_of(bounded("the call", call).await);
    assert!(matches!(failure, Failure::TimedOut(_)), "{failure}");
    // What comes later is not for it.
    until("it asks no more", || numbers.stats().getters == 0).await;
    numbers.put(&7).await.expect("there is room");
    assert_eq!(numbers.try_get(), Ok(Some(7)));
}

#[tokio::test]
async fn when_every_slot_waits_on_queues_that_nobody_outside_has_the_calls_are_told() {
    let pool = builder(QUEUES, 1, 2).await.build().await.expect("the guest opens");
    let by_name = pool.json_task("consume").expect("it is a task");
    let held = pool.queue::<i64>("from", 1);
    drop((pool.queue::<i64>("from", 1), pool.queue::<i64>("to", 1)));
    let stuck: Vec<_> = (0..2).map(|_| by_name.submit(serde_json::json!(["from", "to", null]))).collect();
    until("both wait", || held.stats().getters == 2).await;
    drop(held);
    for call in bounded("the calls", join_all(stuck)).await {
        match call {
            Err(CallError::Failed(failure @ Failure::Interrupted { .. })) => {
                assert!(
                    failure.to_string().contains("all 2 slots") && failure.to_string().contains("`from`")
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn retries_get_the_item_again() {
    let pool = pool().await;
    let numbers = pool.queue::<i64>("numbers", 4);
    numbers.put(&7).await.expect("there is room");
    let fails = pool.task::<(Queue<i64>,), u32>("take-and-fail").expect("it is a task");
    let report = fails.with_retry(RetryPolicy::fixed(3, Duration::ZERO)).submit((numbers.clone(),)).report();
    let report = bounded("a call", report).await.expect("the pool is open");
    assert_eq!(report.attempts, 3);
    assert!(report.history.iter().all(|failed| failed.message == "took Some(7)"), "{:?}", report.history);
}

#[tokio::test]
async fn progress_is_told_as_an_event() {
    let pool = pool().await;
    let mut events = pool.events();
    let numbers = pool.queue::<i64>("numbers", 4);
    let produce = pool.task::<(Queue<i64>, i64), u32>("produce").expect("it is a task");
    produce.call((numbers, 3)).await.expect("there is room");
    let seen = find_event(&mut events, "progress", |event| match event {
        Event::Progress { done: 2, total, .. } => Some(*total),
        _ => None,
    });
    assert_eq!(seen.await, Some(3));
}

#[test]
fn the_command_feeds_a_queue_from_stdin_and_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = folder.path().join("names.jsonl");
    let calls: String = (0..5).map(|i| format!("[\"worker-{i}\",\"numbers\"]\n")).collect();
    std::fs::write(&names, calls).expect("a file");
    let mut command = wasmpool(["map"]);
    command.arg(component(JOBS)).args(["worker", "--queue", "numbers=-", "-w", "2", "--input"]).arg(&names);
    let numbers: String = (1..=20).map(|number| format!("{number}\n")).collect();
    let ran = end_of(command.write_stdin(numbers)).exits(0);
    assert_eq!(ran.records().iter().map(|record| record["ok"].as_u64().unwrap_or(0)).sum::<u64>(), 20);
    assert_eq!(ran.stderr.matches(" has processed ").count(), 20);
    assert_eq!(ran.summary(), "5 calls: 5 done");
}

#[test]
fn the_command_says_what_is_wrong_with_a_queue() {
    let run = |flags: &[&str], input: &str| {
        end_of(wasmpool(["map"]).arg(component(JOBS)).arg("worker").args(flags).write_stdin(input.to_owned()))
    };
    run(&["--queue", "numbers=-"], "").exits(2).says("--queue numbers=- and the calls both read stdin");
    run(&["--queue", "=numbers"], "").exits(2).says("NAME=FILE");
    run(&["--queue", "n=x", "--output", "x", "--resume"], "").exits(2).says("--resume and --queue");
    run(&["--queue", "numbers=/no/such/file"], "").exits(2).says("--queue");
    let denied = run(&[], "[\"worker-0\",\"numbers\"]\n").exits(1);
    assert_eq!(denied.records()[0]["error"]["kind"], "denied");
    assert_eq!(denied.records()[0]["error"]["flag"], "--queue numbers=FILE");
    let folder = tempfile::tempdir().expect("a folder");
    let items = folder.path().join("items");
    std::fs::write(&items, "1\noops\n\n3\n").expect("a file");
    let flag = format!("numbers={}", items.display());
    let ran = run(&["--queue", &flag], "[\"worker-0\",\"numbers\"]\n");
    ran.exits(1)
        .says("line 2 of the queue `numbers` is left out: the item is not JSON")
        .says("1 calls: 1 done");
}

#[test]
fn the_command_ends_queues_when_all_calls_wait_for_them() {
    let run = |task_and_flags: &[&str]| {
        end_of(wasmpool(["run"]).arg(component(QUEUES)).args(task_and_flags).write_stdin(""))
    };
    // Nobody takes what fills it.
    run(&["produce", "out", "5000", "--queue", "out"]).exits(1).says("items were left in the queue `out`");
    // Nobody fills what is waited for.
    run(&["consume", "from", "to", "null", "--queue", "from", "--queue", "to"]).exits(0).prints("0\n");
    let folder = tempfile::tempdir().expect("a folder");
    let numbers = folder.path().join("numbers");
    std::fs::write(&numbers, "1\n2\n\"three\"\n4\n").expect("a file");
    let from = format!("from={}", numbers.display());
    let flags = ["consume", "from", "to", "null", "--queue", &from, "--queue", "to", "--attempts", "5"];
    let again = ["--retry-on", "trapped", "--retry-delay", "1ms"];
    run(&[&flags[..], &again].concat())
        .exits(1)
        .says("is set aside")
        .says("3 items were left in the queue `to`");
    let output = format!("--output={}", numbers.display());
    let same = ["--queue", &from, &output];
    let mut map = wasmpool(["map"]);
    end_of(map.arg(component(QUEUES)).arg("try-get").args(same).write_stdin("\"from\"\n"))
        .exits(2)
        .says("--queue and --output are the same file");
}
