//! Lists of bytes and numbers by JSON, on the ways that calls come in: they are copied as they lie in memory, and
//! nobody can tell but by the time it takes. Tasks of other signatures take and give the same.

use serde_json::{Value, json};
use wasmpool::{CallError, Failure, Pool, RawInput};

use crate::support::{HOSTILE, basics, bounded, builder};

async fn said(pool: &Pool, task: &str, input: Value) -> Result<Value, CallError<Value>> {
    bounded(task, pool.json_task(task).expect("a task").call(input)).await
}

async fn read(pool: &Pool, task: &str, input: RawInput) -> Result<Value, CallError<Value>> {
    bounded(task, pool.raw_task(task).expect("a task").call(input)).await
}

fn complaint(ended: Result<Value, CallError<Value>>) -> String {
    match ended {
        Err(CallError::Failed(Failure::BadInput(complaint))) => complaint,
        other => panic!("not a complaint: {other:?}"),
    }
}

#[tokio::test]
async fn lists_of_numbers_come_back_as_they_were() {
    let pool = basics(1, 1).await;
    for (task, list) in [
        ("echo-bytes", json!("AP8=")),
        ("echo-bytes", json!("")),
        ("check-bytes", json!("AQI=")),
        ("echo-words", json!([0, u32::MAX])),
        ("echo-words", json!([])),
        ("echo-longs", json!([0, u64::MAX, 9_007_199_254_740_993_u64])),
        ("echo-singles", json!([0.1, -0.0, "NaN", "Infinity", "-Infinity"])),
        ("echo-doubles", json!([0.1, -0.0, 5e-324, "NaN", "Infinity", "-Infinity"])),
    ] {
        let back = said(&pool, task, list.clone()).await.expect("an answer");
        assert_eq!(back.to_string(), list.to_string(), "{task}");
        let line = RawInput::Json(format!("[{list}]"));
        assert_eq!(read(&pool, task, line).await.expect("an answer").to_string(), list.to_string(), "{task}");
        let all = pool.json_task_of_args(task).expect("a task").call(vec![list.clone()]);
        assert_eq!(bounded(task, all).await.expect("an answer").to_string(), list.to_string(), "{task}");
    }
}

#[tokio::test]
async fn tasks_of_any_signature_take_lists() {
    let pool = basics(1, 1).await;
    let swapped = json!([[u64::MAX, 0], "AP8="]);
    for input in [
        json!(["AP8=", [u64::MAX, 0]]),
        json!([[0, 255], [u64::MAX, 0]]),
        json!({"longs": [u64::MAX, 0], "bytes": "AP8"}),
    ] {
        assert_eq!(said(&pool, "swap-lists", input).await.expect("an answer"), swapped);
    }
    let twice = complaint(said(&pool, "swap-lists", json!(["AP8=", [0, -1]])).await);
    assert_eq!(twice, "args[1][1]: -1 does not fit u64");
}

#[tokio::test]
async fn bytes_and_texts_are_read_for_lists_too() {
    let pool = basics(1, 1).await;
    let bytes = |bytes: &[u8]| RawInput::Bytes(bytes.to_vec());
    let text = |text: &str| RawInput::Text(text.to_owned());
    for (task, input, answer) in [
        ("echo-bytes", bytes(&[0, 255]), json!("AP8=")),
        ("check-bytes", bytes(&[1, 255]), json!("Af8=")),
        ("count-bytes", bytes(&[0; 1000]), json!(1000)),
        ("echo-bytes", text("\"AP8\""), json!("AP8=")),
        ("echo-bytes", text("[0, 255]"), json!("AP8=")),
        ("echo-longs", bytes(b"[18446744073709551615]"), json!([u64::MAX])),
        ("echo-words", RawInput::Json(r#"{"words": [1, 2]}"#.to_owned()), json!([1, 2])),
    ] {
        assert_eq!(read(&pool, task, input.clone()).await.expect("an answer"), answer, "{task} of {input:?}");
    }
    let broken = complaint(read(&pool, "echo-words", bytes(&[0xFF])).await);
    assert!(broken.starts_with("words: not UTF-8 text: "), "{broken}");
    let unquoted = complaint(read(&pool, "echo-bytes", text("AP8=")).await);
    assert!(unquoted.starts_with(r#"bytes: expected list<u8> as JSON such as "aGVsbG8=""#), "{unquoted}");
}

#[tokio::test]
async fn what_does_not_fit_a_list_is_told_with_its_place() {
    let pool = basics(1, 1).await;
    for (task, input, told) in [
        ("echo-bytes", json!(1), "args[0]: expected list<u8> (base64, or an array), found a number (1)"),
        ("echo-bytes", json!([0, 256]), "args[0][1]: 256 does not fit u8"),
        (
            "check-bytes",
            json!("a-b"),
            r#"args[0]: expected base64, found a string ("a-b"): invalid symbol 45, offset 1"#,
        ),
        ("echo-words", json!([1, 1.5]), "args[0][1]: expected u32, found a fraction (1.5)"),
        ("echo-words", json!({"words": [-1]}), "words[0]: -1 does not fit u32"),
        ("echo-longs", json!([1.8446744073709552e19]), "args[0][0]: 1.8446744073709552e+19 does not fit u64"),
        ("echo-singles", json!([1e39]), "args[0][0]: 1e+39 does not fit f32"),
        ("echo-doubles", json!(["1.5"]), r#"args[0][0]: expected f64, found a string ("1.5")"#),
    ] {
        assert_eq!(complaint(said(&pool, task, input.clone()).await), told, "{task} of {input}");
    }
}

#[tokio::test]
async fn errors_of_tasks_for_lists_are_those_of_all_tasks() {
    let pool = basics(1, 1).await;
    let Err(CallError::Returned(error)) = said(&pool, "check-bytes", json!("AAE=")).await else {
        panic!("no error")
    };
    let whole = r#"{"message":"a zero","causes":["the root"],"permanent":true,"retry-after-ms":null}"#;
    assert_eq!(error.to_string(), whole);
    let pool = builder(HOSTILE, 1, 1).await.build().await.expect("opens");
    let refused = said(&pool, "connect-for-bytes", json!("127.0.0.1:9")).await;
    let Err(CallError::Failed(Failure::Denied(denial))) = refused else { panic!("{refused:?}") };
    assert_eq!(denial.said.as_deref(), Some("cannot connect to `127.0.0.1:9`"));
}
