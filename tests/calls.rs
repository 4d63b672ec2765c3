//! One call of one task in every form that a caller may give it: by static types, by JSON, by a line of text; with
//! the author's own error; in one of several modules. What does not fit is refused in words that help.

use serde_json::{Value, json};
use wasmpool::{CallError, Failure, Outcome, Pool, PoolBuilder, PoolError, RawInput};

use crate::guests::module;
use crate::support::{BASICS, RAW, SYNC_ONLY, basics, bounded, builder, failure_of};
use crate::types::{Address, Colour, Problem, User};

fn ada() -> User {
    User {
        name: "Ada".to_owned(),
        age: 36,
        tags: vec!["first".to_owned(), "🧮".to_owned()],
        nick: None,
        address: Some(Address {
            lines: vec!["12 St James's Square".to_owned()],
            place: (51.5, -0.1),
            kind: Colour::DeepBlue,
        }),
    }
}

#[tokio::test]
async fn records_travel_by_static_types_both_ways() {
    let pool = basics(1, 4).await;
    let echo = pool.task::<(User,), User>("echo-user").expect("a task");
    let echo_all = pool.task::<(Vec<User>,), Vec<User>>("echo-users").expect("a task");
    let made = pool.task::<(String,), User>("user").expect("a task");
    assert_eq!(bounded("one", echo.call((ada(),))).await.expect("an echo"), ada());
    assert_eq!(bounded("two", echo_all.call((vec![ada(), ada()],))).await.expect("an echo"), [ada(), ada()]);
    assert_eq!(bounded("made", made.call(("Bob".to_owned(),))).await.expect("a user"), User::called("Bob"));
    pool.close().await;
}

#[tokio::test]
async fn enums_travel_by_static_types() {
    let pool = basics(1, 4).await;
    let echo = pool.task::<(Colour,), Colour>("echo-colour").expect("a task");
    for colour in [Colour::Red, Colour::DeepBlue, Colour::Green] {
        assert_eq!(bounded("a colour", echo.call((colour,))).await.expect("an echo"), colour);
    }
    pool.close().await;
}

#[tokio::test]
async fn numbers_keep_every_bit() {
    type All = (i8, i16, i32, i64, u8, u16, u32, u64);
    let pool = basics(1, 4).await;
    let extremes = pool.task::<(), All>("extremes").expect("a task");
    let by_json = pool.json_task("extremes").expect("a task");
    let typed = bounded("typed", extremes.call(())).await.expect("numbers");
    assert_eq!(typed, (i8::MIN, i16::MIN, i32::MIN, i64::MIN, u8::MAX, u16::MAX, u32::MAX, u64::MAX));
    let json = bounded("json", by_json.call(Value::Null)).await.expect("numbers");
    assert_eq!(json, json!([i8::MIN, i16::MIN, i32::MIN, i64::MIN, u8::MAX, u16::MAX, u32::MAX, u64::MAX]));
    let add = pool.task::<(i64, i64), i64>("add").expect("a task");
    assert_eq!(bounded("add", add.call((i64::MAX, 1))).await.expect("a sum"), i64::MIN);
    pool.close().await;
}

#[tokio::test]
async fn an_error_of_the_sdk_has_all_its_fields() {
    let pool = basics(1, 4).await;
    let error = |result: Result<u32, CallError>| match result {
        Err(CallError::Returned(error)) => error,
        other => panic!("{other:?}"),
    };
    let fail = pool.task::<(String,), u32>("fail").expect("a task");
    let failed = error(bounded("fail", fail.call(("the top".to_owned(),))).await);
    assert_eq!((failed.message.as_str(), failed.permanent, failed.retry_after_ms), ("the top", false, None));
    assert_eq!(failed.causes, ["the middle", "the root"]);
    assert_eq!(failed.to_string(), "the top: the middle: the root");
    let for_good = pool.task::<(), u32>("fail-for-good").expect("a task");
    assert!(error(bounded("fail", for_good.call(())).await).permanent);
    let for_now = pool.task::<(u32,), u32>("fail-for-now").expect("a task");
    assert_eq!(error(bounded("fail", for_now.call((70,))).await).retry_after_ms, Some(70));
    let by_json = pool.json_task("fail").expect("a task");
    let Err(CallError::Returned(value)) = bounded("json", by_json.call(json!("the top"))).await else {
        panic!("an error")
    };
    assert_eq!(value["message"], "the top");
    assert_eq!(value["causes"], json!(["the middle", "the root"]));
    pool.close().await;
}

#[tokio::test]
async fn an_authors_own_error_comes_back_typed() {
    let pool = basics(1, 4).await;
    let task = pool.task_with_error::<(u8,), u8, Problem>("fail-typed").expect("a task");
    assert_eq!(bounded("ok", task.call((7,))).await.expect("an answer"), 7);
    for (code, problem) in [(0, Problem::Gone), (101, Problem::TooOld(101))] {
        let report = bounded("err", task.submit((code,)).report()).await.expect("accepted");
        assert!(matches!(report.outcome, Outcome::Returned(found) if found == problem));
    }
    let by_json = pool.json_task("fail-typed").expect("a task");
    let Err(CallError::Returned(value)) = bounded("json", by_json.call(json!(101))).await else {
        panic!("an error")
    };
    assert_eq!(value, json!({"too-old": 101}));
    let Err(PoolError::WrongTypes { .. }) = pool.task::<(u8,), u8>("fail-typed") else {
        panic!("its error is not the SDK's")
    };
    // A result may also be taken as it is.
    let whole =
        pool.task::<(u8,), Result<u8, Problem>>("fail-typed").expect("a result is a type like others");
    assert_eq!(bounded("whole", whole.call((0,))).await.expect("a result"), Err(Problem::Gone));
    pool.close().await;
}

#[tokio::test]
async fn wrong_types_are_refused_with_the_signature() {
    let pool = basics(1, 1).await;
    let refusals = [
        pool.task::<(String, i64), i64>("add").err(),
        pool.task::<(i64,), i64>("add").err(),
        pool.task::<(i64, i64), u64>("add").err(),
        pool.task::<(i64, i64), ()>("add").err(),
    ];
    for error in refusals {
        let text = error.expect("these are not its types").to_string();
        assert!(text.contains("add(a: s64, b: s64) -> s64"), "{text}");
    }
    let renamed = pool.task::<(Colour,), Colour>("echo-user").err().expect("a colour is no user").to_string();
    assert!(renamed.contains("echo-user(user: user) -> user"), "{renamed}");
    pool.close().await;
}

#[tokio::test]
async fn unknown_tasks_are_answered_with_near_names() {
    let pool = basics(1, 1).await;
    for (asked, answer) in
        [("ad", "did you mean `add`"), ("echo_text", "`echo-text`"), ("zzzzzzzz", "there are ")]
    {
        let Some(PoolError::UnknownTask(text)) = pool.json_task(asked).err() else {
            panic!("there is no {asked}")
        };
        assert!(text.contains(answer), "{text}");
        assert!(matches!(pool.task::<(), ()>(asked).err(), Some(PoolError::UnknownTask(_))));
    }
    pool.close().await;
}

#[tokio::test]
async fn json_is_checked_against_the_types_before_anything_runs() {
    let pool = basics(1, 1).await;
    let echo = pool.json_task("echo-user").expect("a task");
    let user = json!({"name": "Ada", "age": 36, "tags": [], "nick": null, "address":
        {"lines": ["a"], "place": [1.5, 2.5], "type": "deep-blue"}});
    assert_eq!(bounded("echo", echo.call(user.clone())).await.expect("an echo"), user);
    let mut old = user.clone();
    old["age"] = json!(300);
    let report = bounded("too old", echo.submit(old).report()).await.expect("accepted");
    let Outcome::Failed(Failure::BadInput(problem)) = report.outcome else { panic!("{report:?}") };
    assert!(problem.contains("age: 300 does not fit u8"), "{problem}");
    assert_eq!((report.attempts, report.interruptions), (0, 0));
    let add = pool.json_task("add").expect("a task");
    for input in [json!([1, 2]), json!({"a": 1, "b": 2})] {
        assert_eq!(bounded("add", add.call(input)).await.expect("a sum"), 3);
    }
    for input in [json!([1]), json!([1, 2, 3]), json!({"a": 1}), json!(1), json!(["1", 2]), Value::Null] {
        let failure = failure_of(bounded("bad input", add.call(input.clone())).await);
        assert!(matches!(failure, Failure::BadInput(_)), "{input}: {failure}");
    }
    let of_args = pool.json_task_of_args("add").expect("a task");
    assert_eq!(bounded("args", of_args.call(vec![json!(1), json!(2)])).await.expect("a sum"), 3);
    let message = failure_of(bounded("too few", of_args.call(vec![json!(1)])).await).message();
    assert!(message.contains("takes 2 arguments, not 1"), "{message}");
    pool.close().await;
}

#[tokio::test]
async fn what_was_read_is_json_a_text_bytes_or_nothing() {
    let pool = basics(1, 1).await;
    let echo = pool.raw_task("echo-text").expect("a task");
    let quoted = " \"as it is\" ";
    let text = echo.call(RawInput::Text(quoted.to_owned()));
    assert_eq!(bounded("text", text).await.expect("an echo"), quoted);
    let contents = echo.call(RawInput::Bytes(b"a file\n".to_vec()));
    assert_eq!(bounded("contents", contents).await.expect("an echo"), "a file\n");
    let count = pool.raw_task("count-bytes").expect("a task");
    let bytes = count.call(RawInput::Bytes(vec![0xff; 5]));
    assert_eq!(bounded("bytes", bytes).await.expect("a count"), 5);
    let add = pool.raw_task("add").expect("a task");
    for line in ["[1, 2]", "{\"a\": 1, \"b\": 2}"] {
        let json = add.call(RawInput::Json(line.to_owned()));
        assert_eq!(bounded("json", json).await.expect("a sum"), 3);
    }
    for (input, complaint) in [
        (RawInput::Json("1, 2".to_owned()), "not JSON"),
        (RawInput::Text("1".to_owned()), "`add(a: s64, b: s64) -> s64` does not take one argument"),
        (RawInput::Unreadable("no such line".to_owned()), "no such line"),
    ] {
        let message = failure_of(bounded("bad input", add.call(input)).await).message();
        assert!(message.contains(complaint), "{message}");
    }
    pool.close().await;
}

#[tokio::test]
async fn tasks_of_several_modules_are_told_apart_by_name() {
    let both = PoolBuilder::new().module("a", module(BASICS).await).module("b", module(SYNC_ONLY).await);
    let pool: Pool = both.workers(2).build().await.expect("both open");
    for name in ["a/add", "b/add"] {
        let add = pool.task::<(i64, i64), i64>(name).expect("a task");
        assert_eq!(bounded(name, add.call((1, 2))).await.expect("a sum"), 3);
    }
    let Some(PoolError::UnknownTask(text)) = pool.json_task("add").err() else { panic!("both have it") };
    assert!(text.contains("`a/add` or `b/add`"), "{text}");
    let only_b = pool.task::<(u64,), u64>("busy").expect("only one module has it");
    bounded("busy", only_b.call((1,))).await.expect("a number");
    for (asked, words) in [("b/sleep-ms", "no task `sleep-ms`"), ("c/add", "`c/add`"), ("nobody", "`nobody`")]
    {
        let Some(PoolError::UnknownTask(text)) = pool.json_task(asked).err() else { panic!("no {asked}") };
        assert!(text.contains(words), "{text}");
    }
    let twice = PoolBuilder::new().module("a", module(SYNC_ONLY).await).module("a", module(SYNC_ONLY).await);
    let refused = twice.build().await.err().expect("one name for two modules");
    assert!(refused.to_string().contains("two modules are called `a`"), "{refused}");
    pool.close().await;
}

#[tokio::test]
async fn functions_of_interfaces_are_tasks_and_handles_do_not_travel_as_json() {
    let pool = builder(RAW, 1, 4).await.build().await.expect("it opens");
    let area = pool.json_task("demo:raw/shapes#area").expect("a task");
    let corners = json!([{"x": 0, "y": 0}, {"x": 4, "y": 0}, {"x": 0, "y": 3}]);
    assert_eq!(bounded("area", area.call(corners)).await.expect("an area"), json!(6.0));
    let common = pool.json_task("demo:raw/shapes#common").expect("a task");
    let colours = json!([["red", "green"], ["green", "blue"]]);
    assert_eq!(bounded("common", common.call(colours)).await.expect("flags"), json!(["green"]));
    for greet in ["greet", "greet-async"] {
        let greet = pool.task::<(String,), String>(greet).expect("a task");
        assert_eq!(bounded("greet", greet.call(("Ada".to_owned(),))).await.expect("words"), "Hello, Ada!");
    }
    for (task, why) in
        [("total", "stream"), ("countdown", "stream"), ("double-later", "future"), ("used-pen", "resource")]
    {
        let error = pool.json_task(&format!("demo:raw/shapes#{task}")).err().expect("it has no JSON");
        assert!(matches!(error, PoolError::NotForJson { .. }) && error.to_string().contains(why), "{error}");
    }
    pool.close().await;
}

#[tokio::test]
async fn a_task_knows_its_call_and_attempt_among_many() {
    let pool = basics(2, 16).await;
    let whoami = pool.task::<(u32,), (u64, u32)>("whoami-later").expect("a task");
    let boom = pool.task::<(u32,), u32>("boom").expect("a task");
    let calls: Vec<_> = (0..60).map(|n| whoami.submit((n % 7,))).collect();
    let culprits: Vec<_> = (0..3).map(|n| boom.submit((n,))).collect();
    for call in calls {
        let report = bounded("a call", call.report()).await.expect("accepted");
        let Outcome::Completed((id, attempt)) = report.outcome else { panic!("{report:?}") };
        assert_eq!((id, attempt), (report.id.get(), report.interruptions + 1));
    }
    for culprit in culprits {
        assert!(matches!(failure_of(bounded("a culprit", culprit).await), Failure::Trapped(_)));
    }
    pool.close().await;
}
