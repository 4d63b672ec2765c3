//! Settings, keys and values, fixed clocks and dice, and host functions of the embedder's own.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use wasmpool::{Grants, HostState, Isolation, Limits, Pool, PoolBuilder, PoolError, TaskModule, wasmtime};

use crate::support::{GRANTS, bounded, builder};

async fn ask<In, Out>(pool: &Pool, task: &str, args: In) -> Result<Out, String>
where
    In: wasmpool::TaskArgs + Clone,
    Out: wasmpool::TaskValue,
{
    let task = pool.task_with_error::<In, Out, String>(task).expect("a task");
    task.call(args).await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_by_key_or_all_at_once() {
    let grants = Grants::none().config("region", "eu").config("a", "1").config("a", "2");
    let pool = builder(GRANTS, 1, 1).await.grants(grants).build().await.expect("the guest opens");
    let setting = pool.task::<(String,), Option<String>>("setting").expect("a task");
    assert_eq!(setting.call(("region".to_owned(),)).await.expect("an answer").as_deref(), Some("eu"));
    assert_eq!(setting.call(("PATH".to_owned(),)).await.expect("an answer"), None);
    let all = pool.task::<(), Vec<(String, String)>>("settings").expect("a task").call(()).await;
    let expected = [("region", "eu"), ("a", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(all.expect("an answer"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_values_are_shared_by_all_sandboxes_of_a_pool_and_counts_are_exact() {
    let pool =
        builder(GRANTS, 2, 1).await.isolation(Isolation::Fresh).build().await.expect("the guest opens");
    let counts = join_all((0..200).map(|_| ask::<_, u64>(&pool, "count", ("n".to_owned(),)))).await;
    let mut counts: Vec<_> = counts.into_iter().map(|count| count.expect("a count")).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=200).collect::<Vec<_>>());
    let pair = |key: &str| ("b".to_owned(), key.to_owned(), "x".to_owned());
    ask::<_, ()>(&pool, "keep", pair("k")).await.expect("room");
    let kept = pool.task::<(String, String), Option<String>>("kept").expect("a task");
    assert_eq!(kept.call(("b".to_owned(), "k".to_owned())).await.expect("an answer").as_deref(), Some("x"));
    assert_eq!(kept.call((String::new(), "k".to_owned())).await.expect("an answer"), None);
    ask::<_, ()>(&pool, "keep-many", (2_500u32,)).await.expect("room");
    let keys = pool.task::<(String,), Vec<String>>("keys").expect("a task");
    assert_eq!(keys.call(("many".to_owned(),)).await.expect("an answer").len(), 2_500);
    let other = builder(GRANTS, 1, 1).await.build().await.expect("the guest opens");
    assert_eq!(ask::<_, u64>(&other, "count", ("n".to_owned(),)).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_within_its_limit() {
    let limits = Limits::default().keyvalue_bytes(10_000);
    let pool = builder(GRANTS, 1, 1).await.limits(limits).build().await.expect("the guest opens");
    let full = ask::<_, ()>(&pool, "keep-many", (1_000u32,)).await.expect_err("no room");
    assert!(full.contains("Limits::keyvalue_bytes"), "{full}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deterministic_pool_shows_every_fresh_sandbox_the_same_world() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let builder = builder(GRANTS, 2, 2).await.isolation(Isolation::Fresh);
        let pool = builder.grants(Grants::none().deterministic()).build().await.expect("the guest opens");
        for task in ["world-seen", "world-seen-p3"] {
            let task = pool.task::<(), String>(task).expect("a task");
            let answers = join_all((0..4).map(|_| task.call(()))).await;
            let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
            assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
            seen.push(answers[0].clone());
        }
    }
    assert_eq!(seen[..2], seen[2..]);
    assert!(seen[0].contains("946684800s"), "{seen:?}");
}

/// Calls the embedder's function twice and gives the second answer.
const CALLER: &str = r#"(component
    (import "acme:app/counter@1.0.0" (instance $counter
        (export "add" (func (param "amount" u64) (result u64)))
        (export "wait" (func (param "amount" u64) (result u64)))))
    (core func $add (canon lower (func $counter "add")))
    (core func $wait (canon lower (func $counter "wait")))
    (core module $m
        (import "" "add" (func $add (param i64) (result i64)))
        (import "" "wait" (func $wait (param i64) (result i64)))
        (func (export "twice") (param i64) (result i64)
            (drop (call $add (local.get 0))) (call $wait (local.get 0))))
    (core instance $i (instantiate $m
        (with "" (instance (export "add" (func $add)) (export "wait" (func $wait))))))
    (func (export "twice") (param "amount" u64) (result u64) (canon lift (core func $i "twice"))))"#;

async fn caller() -> TaskModule {
    TaskModule::from_bytes(wat::parse_str(CALLER).expect("a component")).await.expect("it loads")
}

#[tokio::test(flavor = "multi_thread")]
async fn host_functions_of_the_embedder_may_be_async_and_have_state_of_the_pool_and_of_the_sandbox() {
    type Store<'a> = wasmtime::StoreContextMut<'a, HostState>;
    let total = Arc::new(AtomicU64::new(0));
    let sum = total.clone();
    let builder = Pool::builder(caller().await).workers(1).import(move |linker| {
        let sum = sum.clone();
        let mut counter = linker.instance("acme:app/counter@1.0.0")?;
        counter.func_wrap("add", move |mut store: Store<'_>, (amount,): (u64,)| {
            *store.data_mut().own::<u64>() += amount;
            Ok((sum.fetch_add(amount, Ordering::Relaxed) + amount,))
        })?;
        counter.func_wrap_async("wait", |mut store: Store<'_>, (_,): (u64,)| {
            Box::new(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok((*store.data_mut().own::<u64>(),))
            })
        })
    });
    let pool = builder.isolation(Isolation::Fresh).build().await.expect("all is provided");
    let twice = pool.task::<(u64,), u64>("twice").expect("a task");
    assert_eq!(twice.call((5,)).await.expect("an answer"), 5);
    assert_eq!(twice.call((7,)).await.expect("an answer"), 7, "a new sandbox starts with nothing");
    assert_eq!(total.load(Ordering::Relaxed), 12);
    pool.replace("module", caller().await).await.expect("what replaces it is given the same");
    assert_eq!(twice.call((1,)).await.expect("an answer"), 1);
}

/// The amount at which `add` blocks until the test lets it go on.
const LAST: u64 = 9;

/// A pool of one worker whose guest calls `add` with the amount that each of its calls is for.
async fn adder(add: impl Fn(u64) + Clone + Send + Sync + 'static) -> PoolBuilder {
    type Store<'a> = wasmtime::StoreContextMut<'a, HostState>;
    Pool::builder(caller().await).workers(1).import(move |linker| {
        let add = add.clone();
        let mut counter = linker.instance("acme:app/counter@1.0.0")?;
        counter.func_wrap("add", move |_: Store<'_>, (amount,): (u64,)| {
            add(amount);
            Ok((amount,))
        })?;
        counter.func_wrap("wait", |_: Store<'_>, (amount,): (u64,)| Ok((amount,)))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_told_although_a_host_function_keeps_their_worker() {
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = Arc::new(Mutex::new(may_go_on));
    let add = move |amount| {
        // Long enough for the reader to fall asleep between two answers, and short enough for these to be close.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(60) {}
        if amount == LAST {
            may_go_on.lock().expect("no panic").recv().expect("the test says so");
        }
    };
    let pool = adder(add).await.build().await.expect("all is provided");
    // Should this test fail, it is gone before the pool, which waits for its worker.
    let go_on = go_on;
    let twice = pool.task::<(u64,), u64>("twice").expect("a task");
    for _ in 0..20 {
        let mut reports = twice.map(0..=LAST);
        for amount in 0..LAST {
            let report = bounded("an answer", reports.next()).await.expect("it has ended");
            assert_eq!(report.value().expect("an output"), amount);
        }
        go_on.send(()).expect("the host function waits for it");
        bounded("the last answer", reports.next()).await.expect("it ends").value().expect("an output");
    }
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_a_batch_are_told_although_the_next_call_keeps_their_worker() {
    const CALLS: usize = 10_000;
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let (blocks, mut blocked) = tokio::sync::mpsc::unbounded_channel();
    let (may_go_on, short_calls) = (Arc::new(Mutex::new(may_go_on)), Arc::new(AtomicUsize::new(0)));
    let counted = short_calls.clone();
    let add = move |amount| {
        if amount == LAST {
            blocks.send(()).expect("the test listens");
            may_go_on.lock().expect("no panic").recv().expect("the test says so");
        } else {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    };
    // Short calls come in batches, between which, and never in the middle of one, the long call has its turn.
    let pool = adder(add).await.concurrency(1).build().await.expect("all is provided");
    // Should this test fail, it is gone before the pool, which waits for its worker.
    let go_on = go_on;
    let twice = pool.task::<(u64,), u64>("twice").expect("a task");
    let (hears, mut heard) = tokio::sync::watch::channel(0);
    let mut came_between = 0;
    for before in (0..10).map(|round| round * CALLS) {
        let (reports, hears) = (twice.map(std::iter::repeat_n(0, CALLS)), hears.clone());
        let reader = tokio::spawn(reports.for_each(move |report| {
            report.value().expect("an output");
            hears.send_modify(|heard| *heard += 1);
            std::future::ready(())
        }));
        // By then many calls go together.
        bounded("some answers", heard.wait_for(|heard| *heard >= before + CALLS / 10))
            .await
            .expect("it is heard");
        let long = twice.submit((LAST,));
        bounded("its turn", blocked.recv()).await.expect("the host function says so");
        let begun = short_calls.load(Ordering::Relaxed);
        bounded("all answers that are there", heard.wait_for(|heard| *heard == begun))
            .await
            .expect("it is heard");
        came_between += usize::from(begun < before + CALLS);
        go_on.send(()).expect("the host function waits for it");
        bounded("the long call", long).await.expect("an output");
        bounded("the others", reader).await.expect("no panic");
    }
    assert!(came_between > 0, "the long call never came between batches");
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_nobody_provides_is_named_when_the_pool_is_built() {
    let built = Pool::builder(caller().await).build().await;
    let Err(PoolError::CannotOpen { reason, .. }) = built else { panic!("{:?}", built.err()) };
    assert!(
        reason.contains("`acme:app/counter@1.0.0`") && reason.contains("PoolBuilder::import"),
        "{reason}"
    );
}
