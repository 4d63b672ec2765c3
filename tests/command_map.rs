//! `wasmpool map`: what a record says, to the field; which lines are calls; and in which order they come out.

use std::fs;

use serde_json::{Value, json};

use crate::command_support::{Ran, end_of, map, raw, text_of, wasmpool};
use crate::guests::component;
use crate::support::BASICS;

/// Returns a record without its two times, which must be there, at the end, with one decimal.
#[track_caller]
fn untimed(line: &str) -> &str {
    let (record, times) = line.split_once(r#","wait_ms":"#).unwrap_or_else(|| panic!("no times: {line}"));
    let (wait, run) = times.split_once(r#","run_ms":"#).unwrap_or_else(|| panic!("one time: {line}"));
    for time in [wait, run.strip_suffix('}').expect("the end of a record")] {
        let (whole, decimal) = time.split_once('.').unwrap_or_else(|| panic!("no decimal: {line}"));
        assert!(
            whole.parse::<u64>().is_ok() && decimal.len() == 1 && decimal.parse::<u8>().is_ok(),
            "{line}"
        );
    }
    record
}

#[track_caller]
fn untimed_lines(ran: &Ran) -> Vec<&str> {
    ran.stdout.lines().map(untimed).collect()
}

#[track_caller]
fn fields(record: &Value) -> Vec<&str> {
    record.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn a_record_of_a_result_has_these_fields_in_this_order() {
    let ran = map(&["add"], "[1,2]\n{\"b\":4,\"a\":3}\n").exits(0);
    assert_eq!(
        untimed_lines(&ran),
        [r#"{"index":0,"ok":3,"attempts":1"#, r#"{"index":1,"ok":7,"attempts":1"#]
    );
    assert_eq!(ran.summary(), "2 calls: 2 done");
    let ran = map(&["say"], "[\"\",0]\n").exits(0);
    assert_eq!(untimed_lines(&ran), [r#"{"index":0,"ok":null,"attempts":1"#]);
}

#[test]
fn a_record_of_a_tasks_own_error_has_its_message_and_its_value() {
    let ran = map(&["fail"], "\"oh\"\n").exits(1);
    let error = concat!(
        r#"{"index":0,"error":{"kind":"task-error","message":"oh: the middle: the root","value":{"message":"oh","#,
        r#""causes":["the middle","the root"],"permanent":false,"retry-after-ms":null}},"attempts":1"#
    );
    assert_eq!(untimed_lines(&ran), [error]);
    assert_eq!(ran.summary(), "1 calls: 0 done, 1 failed (1 task-error)");
    let ran = map(&["fail-typed", "--attempts", "1"], "0\n7\n130\n").exits(1);
    let expected = [
        r#"{"index":0,"error":{"kind":"task-error","message":"\"gone\"","value":"gone"},"attempts":1"#,
        r#"{"index":1,"ok":7,"attempts":1"#,
        r#"{"index":2,"error":{"kind":"task-error","message":"{\"too-old\":130}","value":{"too-old":130}},"attempts":1"#,
    ];
    assert_eq!(untimed_lines(&ran), expected);
    assert_eq!(ran.summary(), "3 calls: 1 done, 2 failed (2 task-error)");
}

#[test]
fn a_record_of_bad_input_says_what_is_wrong_with_the_line() {
    let lines = b"[1]\nfoo\n\xff\n[3,\"x\"]\n7\n{\"a\":1}\n{\"a\":1,\"c\":2}\n";
    let ran = map(&["add"], lines).exits(1);
    let records = ran.records();
    let problems = [
        "expected 2 arguments",
        "not JSON",
        "line 3 is not UTF-8",
        "args[1]: expected s64",
        "found a number",
    ];
    let problems = problems.into_iter().chain(["argument \"b\" is missing", "unknown argument \"c\""]);
    for ((index, record), problem) in records.iter().enumerate().zip(problems) {
        assert_eq!(fields(record), ["index", "error", "attempts", "wait_ms", "run_ms"], "{record}");
        assert_eq!(fields(&record["error"]), ["kind", "message"], "{record}");
        assert_eq!((&record["index"], &record["attempts"]), (&json!(index), &json!(0)), "{record}");
        assert_eq!(record["error"]["kind"], "bad-input", "{record}");
        assert!(record["error"]["message"].as_str().is_some_and(|told| told.contains(problem)), "{record}");
    }
    assert_eq!(ran.summary(), "7 calls: 0 done, 7 failed (7 bad-input)");
}

#[test]
fn one_panic_among_two_hundred_calls_fails_one_record_and_says_where() {
    let input: String = (0..200).map(|n| format!("[{n},50]\n")).collect();
    let ran = map(&["boom-at", "-w", "1", "-c", "16"], input).exits(1);
    let records = ran.records();
    assert_eq!(records.len(), 200);
    for (index, record) in records.iter().enumerate() {
        assert_eq!((&record["index"], &record["attempts"]), (&json!(index), &json!(1)), "{record}");
        if index != 50 {
            assert_eq!(record["ok"], json!(index), "{record}");
            continue;
        }
        assert_eq!(fields(record), ["index", "error", "attempts", "wait_ms", "run_ms"]);
        assert_eq!(fields(&record["error"]), ["kind", "message", "backtrace", "trap"]);
        assert_eq!(record["error"]["kind"], "trapped");
        let message = record["error"]["message"].as_str().expect("a text");
        let (_, place) = message.split_once("lib.rs:").expect("a place");
        assert!(
            place.starts_with(|c: char| c.is_ascii_digit()) && place.ends_with("boom at 50"),
            "{message}"
        );
        let backtrace = record["error"]["backtrace"].as_array().expect("frames");
        assert!(
            backtrace.iter().any(|frame| frame.as_str().is_some_and(|f| f.contains("lib.rs:"))),
            "{record}"
        );
    }
    assert!(ran.summary().starts_with("200 calls: 199 done, 1 failed (1 trapped)"), "{}", ran.summary());
    assert!(
        ran.stderr.contains("#50 | boom at 50\n"),
        "output bears the index of its record: {}",
        ran.stderr
    );
}

#[test]
fn values_alone_are_printed_bare_and_failures_are_told() {
    let ran = map(&["div", "--values"], "[6,2]\n[1,0]\nx\n[9,3]\n").exits(1).prints("3\n3\n");
    ran.says("call 1 returned an error: cannot divide").says("call 2 has bad input: the line is not JSON");
    map(&["echo-text", "--lines", "--values"], "a\n\"b\"\n").exits(0).prints("\"a\"\n\"\\\"b\\\"\"\n");
}

#[test]
fn blank_lines_line_ends_and_a_missing_end_are_no_trouble() {
    map(&["sleep-ms", "--values"], "\n0\r\n \t\r\n1\n\n\n2").exits(0).prints("0\n1\n2\n");
    assert_eq!(map(&["sleep-ms"], "").exits(0).prints("").summary(), "0 calls: 0 done");
    assert_eq!(map(&["sleep-ms"], "\n\n \n").exits(0).prints("").summary(), "0 calls: 0 done");
}

#[test]
fn with_lines_each_is_a_text_the_empty_ones_too() {
    let ran = map(&["echo-text", "--lines"], b"5\n\nb\r\n\xff\n{\"last").exits(1);
    let oks: Vec<_> = ran.records().iter().map(|record| record["ok"].clone()).collect();
    assert_eq!(oks, [json!("5"), json!(""), json!("b"), Value::Null, json!("{\"last")]);
    assert!(ran.records()[3]["error"]["message"].as_str().is_some_and(|m| m.contains("line 4 is not UTF-8")));
    map(&["sleep-ms", "--lines", "--values"], "1\n").exits(0).prints("1\n");
    map(&["add", "--lines"], "1\n").exits(2).prints("").says("`add(a: s64, b: s64) -> s64` takes 2");
}

#[test]
fn texts_in_place_of_json_are_answered_with_a_hint() {
    let ran = map(&["echo-text"], "a\nb\n").exits(1);
    assert_eq!(ran.stderr.matches("did you mean --lines?").count(), 1, "told once: {}", ran.stderr);
    let records = ran.records();
    assert!(
        records.iter().all(|record| record["error"]["message"].to_string().contains("did you mean --lines?"))
    );
    assert!(!map(&["sleep-ms"], "a\n").exits(1).stderr.contains("--lines"), "numbers are no texts");
}

#[test]
fn a_line_may_be_called_several_times_and_a_task_without_arguments_without_lines() {
    map(&["sleep-ms", "--times", "3", "--values", "--input", "-"], "1\n2\n")
        .exits(0)
        .prints("1\n1\n1\n2\n2\n2\n");
    let ran = map(&["whoami", "--times", "3"], "this is not read").exits(0);
    assert_eq!(ran.summary(), "3 calls: 3 done");
    map(&["echo-option", "--times", "2", "--values"], "").exits(0).prints("null\nnull\n");
    map(&["add", "--times", "3"], "").exits(2).says("--times").says("`add(a: s64, b: s64) -> s64`");
    map(&["whoami", "--times", "0"], "").exits(2).says("--times");
}

#[test]
fn input_and_output_may_be_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in put"), folder.path().join("output"));
    fs::write(&input, "[1,1]\n[2,2]").expect("a file");
    fs::write(&output, "what was there before").expect("a file");
    let flags = ["add", "--values", "--input", text_of(&input), "--output", text_of(&output)];
    map(&flags, "").exits(0).prints("");
    assert_eq!(fs::read_to_string(&output).expect("a file"), "2\n4\n");
    map(&["add", "--input", text_of(&input), "--output", text_of(&input)], "").exits(2).says("same file");
    assert_eq!(fs::read(&input).expect("a file"), b"[1,1]\n[2,2]", "an input is not emptied");
    map(&["add", "--output", text_of(folder.path())], "[1,1]").exits(2).says("cannot write");
    map(&["add", "--input", text_of(folder.path())], "").exits(2).says("it is a folder");
    map(&["add", "--input", "nowhere"], "").exits(2).says("cannot read the input `nowhere`");
}

#[test]
fn a_dash_is_stdin_and_stdout() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = wasmpool(["map"]);
    command.arg(component(BASICS)).args(["add", "--values", "--input", "-", "--output", "-"]);
    end_of(command.current_dir(folder.path()).write_stdin("[1,2]\n")).exits(0).prints("3\n");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "no file of that name");
}

#[test]
fn a_file_may_be_the_argument_of_a_call() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("bytes"), [0, 255]).expect("a file");
    fs::write(folder.path().join("a text"), "ab\r\n").expect("a file");
    let names = "bytes\na text\nnowhere\n.\n";
    let mapped = |task| {
        let mut command = wasmpool(["map"]);
        command.arg(component(BASICS)).args([task, "--files"]).current_dir(folder.path());
        end_of(command.write_stdin(names)).exits(1).records()
    };
    let [bytes, text, nowhere, a_folder] = &mapped("echo-bytes")[..] else { panic!("four calls") };
    assert_eq!((&bytes["ok"], &text["ok"]), (&json!("AP8="), &json!("YWINCg==")));
    for (failed, name) in [(nowhere, "nowhere"), (a_folder, ".")] {
        assert_eq!(failed["error"]["kind"], "bad-input");
        assert!(
            failed["error"]["message"].to_string().contains(&format!("cannot read `{name}`")),
            "{failed}"
        );
    }
    let [bytes, text, ..] = &mapped("echo-text")[..] else { panic!("four calls") };
    assert_eq!((&bytes["error"]["kind"], &text["ok"]), (&json!("bad-input"), &json!("ab\r\n")));
    map(&["add", "--files"], "x\n").exits(2).says("--files").says("`add(a: s64, b: s64) -> s64`");
}

#[test]
fn tasks_of_a_module_without_our_sdk_are_mapped_too() {
    let ran =
        end_of(wasmpool(["map"]).arg(raw()).args(["greet", "--lines", "--values"]).write_stdin("Ada\n"));
    ran.exits(0).prints("\"Hello, Ada!\"\n");
}
