//! `wasmpool map --report FILE`: a run in one JSON object, whatever ended it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::command_support::{Running, map, text_of};

#[track_caller]
fn report(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a report")).expect("JSON")
}

/// Expects that four times are in order, and returns the last.
#[track_caller]
fn longest(times: &Value) -> f64 {
    let times = ["p50", "p90", "p99", "max"].map(|name| times[name].as_f64().expect("a time"));
    assert!(times.is_sorted(), "{times:?}");
    times[3]
}

#[test]
fn it_tells_counts_times_settings_and_the_slowest_calls() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let input: String = (0..20).map(|n| format!("{}\n", if n == 7 { 60 } else { 0 })).collect();
    let flags = ["sleep-ms", "-w", "2", "-c", "3", "--report", text_of(&path)];
    let ran = map(&flags, format!("{input}x\n[]\n")).exits(1);
    assert_eq!(ran.summary(), "22 calls: 20 done, 2 failed (2 bad-input)");
    let report = report(&path);
    let names: Vec<_> = report.as_object().expect("an object").keys().map(String::as_str).collect();
    let expected = "module task pool calls done failed failed_by_kind retried before not_run stopped_by exit \
        wall_ms wait_ms run_ms slowest";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&report["module"]["name"], &report["task"]), (&json!("guest_basics"), &json!("sleep-ms")));
    assert_eq!(report["module"]["digest"].as_str().map(str::len), Some(64));
    assert_eq!(report["pool"], json!({"workers": 2, "concurrency": 3, "isolation": "shared"}));
    assert_eq!((&report["calls"], &report["done"], &report["failed"]), (&json!(22), &json!(20), &json!(2)));
    assert_eq!(report["failed_by_kind"], json!({"bad-input": 2}));
    assert_eq!(report["before"], json!({"calls": 0, "failed": 0}));
    let ends = (&report["retried"], &report["not_run"], &report["stopped_by"], &report["exit"]);
    assert_eq!(ends, (&json!(0), &json!(0), &Value::Null, &json!(1)));
    let longest_run = longest(&report["run_ms"]);
    longest(&report["wait_ms"]);
    let slowest = report["slowest"].as_array().expect("calls");
    assert_eq!((slowest.len(), &slowest[0]["index"], &slowest[0]["attempts"]), (10, &json!(7), &json!(1)));
    assert!(slowest.iter().map(|call| call["run_ms"].as_f64().expect("a time")).is_sorted_by(|a, b| a >= b));
    let slow = slowest[0]["run_ms"].as_f64().expect("a time");
    assert!((slow - longest_run).abs() <= slow / 50.0, "{slow} and {longest_run}");
    assert!(report["wall_ms"].as_f64().expect("a time") >= slow);
}

#[test]
fn a_run_that_is_stopped_is_reported_with_what_was_not_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, path) = (folder.path().join("input"), folder.path().join("report.json"));
    let lines: String = (0..2_000).map(|n| format!("[\"call {n}\",20]\n\n")).collect();
    fs::write(&input, lines).expect("a file");
    let flags = ["say-slowly", "-w", "1", "-c", "2", "--input", text_of(&input), "--report", text_of(&path)];
    let mut running = Running::map(&flags);
    running.hear("#3 | call 3 begins");
    running.signal("TERM");
    let ran = running.end().exits(143);
    let report = report(&path);
    let calls = report["calls"].as_u64().expect("a number");
    assert!(ran.summary().starts_with(&format!("{calls} calls: ")), "{}", ran.summary());
    assert_eq!(report["not_run"], json!(2_000 - calls));
    assert_eq!((&report["stopped_by"], &report["exit"]), (&json!("SIGTERM"), &json!(143)));
}

#[test]
fn of_a_pipe_that_was_not_read_to_its_end_it_does_not_guess() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let mut running = Running::map(&["add", "--max-fail", "1:now", "--report", text_of(&path)]);
    running.give("[1]\n");
    running.hear("1 failed; stopping");
    running.end().exits(1);
    let report = report(&path);
    assert_eq!((&report["not_run"], &report["exit"]), (&Value::Null, &json!(1)));
}

#[test]
fn a_run_that_goes_on_with_another_tells_them_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (output, path) = (folder.path().join("out"), folder.path().join("report.json"));
    let flags = ["add", "--resume", "--output", text_of(&output), "--report", text_of(&path)];
    map(&flags, "[1,1]\n[1]\n").exits(1);
    map(&flags, "[1,1]\n[1]\n[2,2]\n").exits(1);
    let report = report(&path);
    assert_eq!((&report["calls"], &report["done"], &report["failed"]), (&json!(3), &json!(1), &json!(0)));
    assert_eq!((&report["before"], &report["exit"]), (&json!({"calls": 2, "failed": 1}), &json!(1)));
    assert_eq!(report["slowest"][0]["index"], json!(2));
}

#[test]
fn it_needs_a_place_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("out");
    map(&["add", "--report", "-"], "").exits(2).says("--report: stdout has the records already");
    let same = ["add", "--output", text_of(&output), "--report", text_of(&output)];
    map(&same, "").exits(2).says("--output and --report are the same file");
    let ran = map(&["add", "--report", text_of(folder.path())], "[1,2]\n").exits(2);
    assert_eq!(ran.says("cannot write `").summary(), "1 calls: 1 done");
    let ran = map(&["add", "--output", text_of(&output), "--report", "-"], "[1,2]\n").exits(0);
    assert!(ran.stdout.starts_with("{\n") && ran.stdout.ends_with("}\n"), "{}", ran.stdout);
}
