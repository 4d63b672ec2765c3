//! What sandboxes and calls may use up: each limit has its own failure, which says what to raise, and harms nobody
//! else.

use wasmpool::{Failure, Limits, Outcome, Oversized, Pool, PoolError, TaskModule};

use crate::command_support::{end_of, map, run, text_of, wasmpool};
use crate::guests::{component, module};
use crate::support::{BASICS, HOSTILE, bounded, builder, failure_of};

async fn limited(limits: Limits) -> Pool {
    builder(BASICS, 1, 4).await.limits(limits).build().await.expect("opens")
}

#[tokio::test]
async fn memory_beyond_the_limit_is_told_from_other_panics_and_costs_its_call_alone() {
    let pool = limited(Limits::default().memory_bytes(32 << 20)).await;
    let hog = pool.task::<(u32,), u32>("hog").expect("a task");
    let sleep = pool.task::<(u32,), u32>("sleep-ms").expect("a task");
    let neighbour = sleep.submit((50,));
    let failure = failure_of(bounded("a bomb", hog.call((64,))).await);
    let Failure::OutOfMemory(out) = &failure else { panic!("{failure}") };
    assert_eq!((out.limit, out.unit), (32 << 20, "bytes of memory"));
    assert!(out.wanted > 32 << 20 && failure.to_string().contains("--memory"), "{failure}");
    assert_eq!(bounded("a neighbour", neighbour).await.expect("an answer"), 50);
    assert_eq!(bounded("a smaller one", hog.call((8,))).await.expect("within the limit"), 8);
}

#[tokio::test]
async fn a_module_that_begins_with_more_memory_than_it_may_have_does_not_open() {
    let limits = Limits::default().memory_bytes(1 << 16);
    let refused = builder(BASICS, 1, 1).await.limits(limits).build().await;
    let Err(PoolError::CannotOpen { reason, .. }) = refused else { panic!("it opens") };
    assert!(reason.contains("bytes of memory") && reason.contains("--memory"), "{reason}");
}

#[tokio::test]
async fn tables_have_a_limit_of_their_own() {
    let text = r#"(component
        (core module $m (table $t 1 funcref)
            (func (export "grow") (result i32)
                (loop $more
                    (br_if $more (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0))))
                i32.const 1))
        (core instance $i (instantiate $m))
        (func (export "grow") (result u32) (canon lift (core func $i "grow"))))"#;
    let module = TaskModule::from_bytes(wat::parse_str(text).expect("a component")).await.expect("loads");
    let pool = Pool::builder(module).workers(1).build().await.expect("opens");
    let grow = pool.task::<(), u32>("grow").expect("a task");
    let failure = failure_of(bounded("a table bomb", grow.call(())).await);
    let Failure::OutOfMemory(out) = &failure else { panic!("{failure}") };
    assert_eq!((out.limit, out.unit), (1 << 17, "elements of tables"));
}

#[tokio::test]
async fn an_answer_may_be_as_large_as_the_limit_and_no_larger() {
    let pool = limited(Limits::default().answer_bytes(256 << 10)).await;
    let text = pool.task::<(u32,), String>("text-of").expect("a task");
    let bytes = pool.json_task("bytes-of").expect("a task");
    assert_eq!(bounded("a text", text.call((256,))).await.expect("it fits").len(), 256 << 10);
    assert!(bounded("bytes", bytes.call(256.into())).await.is_ok());
    for failure in [
        failure_of(bounded("a text", text.call((257,))).await),
        failure_of(bounded("bytes", bytes.call(257.into())).await),
    ] {
        let Failure::TooLarge(too_large) = &failure else { panic!("{failure}") };
        assert_eq!((too_large.what, too_large.limit_bytes), (Oversized::Answer, 256 << 10));
    }
    // By JSON the same number of bytes is enough for bytes, whatever the host needs to hold them.
    let failure = failure_of(bounded("bytes", bytes.call(100_000.into())).await);
    assert!(matches!(failure, Failure::TooLarge(_)), "{failure}");
    assert!(bounded("a later one", bytes.call(1.into())).await.is_ok());
}

#[tokio::test]
async fn by_json_an_answer_takes_no_more_of_the_host_than_a_multiple_of_the_limit() {
    let limits = Limits::default().answer_bytes(1 << 20);
    let pool = builder(HOSTILE, 1, 4).await.limits(limits).build().await.expect("opens");
    let bools = pool.json_task("answer-bools").expect("a task");
    assert!(bounded("truths", bools.call(100_000.into())).await.is_ok());
    let failure = failure_of(bounded("truths", bools.call(200_000.into())).await);
    assert_eq!(
        failure.to_string(),
        "too large: the answer is more than a limit of 1048576 bytes allows; \
         raise Limits::answer_bytes (--max-answer)"
    );
    let records = pool.json_task("answer-records").expect("a task");
    assert!(bounded("records", records.call(5_000.into())).await.is_ok());
    let failure = failure_of(bounded("records", records.call(20_000.into())).await);
    assert!(matches!(failure, Failure::TooLarge(_)), "{failure}");
    // By static types values take what they take in the guest.
    let typed = pool.task::<(u32,), Vec<bool>>("answer-bools").expect("a task");
    assert_eq!(bounded("truths", typed.call((1 << 20,))).await.expect("it fits").len(), 1 << 20);
}

#[tokio::test]
async fn a_hundred_thousand_small_records_are_an_ordinary_answer() {
    let pool = builder(HOSTILE, 1, 1).await.build().await.expect("opens");
    let records = pool.json_task("answer-records").expect("a task");
    let answer = bounded("records", records.call(100_000.into())).await.expect("it fits");
    let last = &answer.as_array().expect("a list")[99_999];
    assert_eq!(last.to_string(), r#"{"id":99999,"name":"entry 99999","size":7,"note":null,"is-new":true}"#);
}

#[tokio::test]
async fn arguments_by_json_have_a_limit() {
    let pool = limited(Limits::default().arguments_bytes(1_000)).await;
    let echo = pool.json_task("echo-text").expect("a task");
    assert!(bounded("a text", echo.call("x".repeat(1_000).into())).await.is_ok());
    let report = bounded("a text", echo.submit("x".repeat(1_001).into()).report()).await.expect("accepted");
    let Outcome::Failed(Failure::TooLarge(too_large)) = &report.outcome else { panic!("{report:?}") };
    assert_eq!((too_large.what, too_large.bytes), (Oversized::Arguments, Some(1_001)));
    assert_eq!(report.attempts, 0);
}

#[tokio::test]
async fn a_larger_stack_holds_deeper_calls() {
    let (small, large) =
        (limited(Limits::default().stack_bytes(64 << 10)).await, limited(Limits::default()).await);
    let [small, large] = [&small, &large].map(|pool| pool.task::<(u64,), u64>("descend").expect("a task"));
    let failure = failure_of(bounded("a deep call", small.call((2_000,))).await);
    let Failure::Trapped(trap) = &failure else { panic!("{failure}") };
    assert_eq!(trap.code, "stack-overflow");
    assert!(failure.to_string().contains("--stack"), "{failure}");
    bounded("a deep call", large.call((2_000,))).await.expect("room for it");
}

#[tokio::test]
async fn settings_that_make_no_sense_are_named() {
    let refused = Pool::builder(module(BASICS).await).limits(Limits::default().handles(1)).build().await;
    let Err(error) = refused else { panic!("it builds") };
    assert!(error.to_string().starts_with("handles: "), "{error}");
}

#[test]
fn the_command_has_a_flag_for_each() {
    map(&["hog", "--memory", "16MiB"], "64\n").exits(1).says("1 out-of-memory");
    map(&["bytes-of", "--max-answer", "64KiB"], "65\n").exits(1).says("1 too-large");
    run(&["echo-text", "hello", "--max-arguments", "4"]).exits(1).says("--max-arguments");
    run(&["descend", "2000"]).exits(0);
    run(&["descend", "2000", "--stack", "64KiB"]).exits(1).says("--stack");
    run(&["add", "1", "2", "--memory", "10KiB"])
        .exits(2)
        .says("--memory: 10KiB is too little; at least 64KiB");
    for flag in ["--memory", "--timeout", "--rate", "--max-handles", "--concurrency", "--recycle-age"] {
        run(&["add", "1", "2", flag, "-5"]).exits(2).says(flag).says("is not negative");
    }
    run(&["add", "1", "2", "--compile-time", "0s"])
        .exits(2)
        .says("--compile-time")
        .says("longer than nothing");
    run(&["add", "1", "2", "--max-module", "10KiB"]).exits(2).says("--max-module");
    let basics = component(BASICS);
    let compile = ["run", "--no-cache", "--compile-time", "1ms", text_of(&basics), "add", "1", "2"];
    end_of(&mut wasmpool(compile)).exits(2).says("--compile-time");
    map(&["say", "--max-output", "100", "-w", "1"], "[\"0123456789\",100]\n")
        .exits(0)
        .says("more bytes of output");
}
