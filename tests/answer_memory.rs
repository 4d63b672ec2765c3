//! What answers and arguments by JSON take of the host's memory at their peak. Measured in a process of its own for
//! each, because memory is counted by process: the test starts the test binary again with only the measuring in it.

#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use serde_json::Value;
use wasmpool::RawInput;

use crate::support::{BASICS, HOSTILE, bounded, builder};

/// Set to what is measured when this process is the one that measures.
const MEASURE: &str = "WASMPOOL_TEST_MEASURE_PEAK";
/// As much as an answer or an argument may have by the default limits.
const LIMIT: usize = 16 << 20;
const LIMIT_KIB: usize = LIMIT >> 10;

fn status_kib(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    let found = status.lines().find_map(|text| text.strip_prefix(line)).expect("the line");
    found.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Returns by how much the memory of this process exceeded what it was, at the peak of one call.
async fn peak_kib(guest: &str, task: &str, input: RawInput) -> usize {
    let pool = builder(guest, 1, 1).await.build().await.expect("opens");
    let task = pool.raw_task(task).expect("a task");
    fs::write("/proc/self/clear_refs", "5").expect("Linux has it");
    let before = status_kib("VmRSS:");
    // Whether it is too large is not the question.
    let _ = bounded("a call", task.call(input)).await;
    status_kib("VmHWM:").saturating_sub(before)
}

/// Starts this test binary again to measure, and returns what it found.
fn measured(what: &str) -> usize {
    let mut command = Command::new(std::env::current_exe().expect("this is a program"));
    command.args(["--exact", "answer_memory::the_other_process_measures", "--nocapture"]);
    let output = command.env(MEASURE, what).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said.lines().find_map(|line| line.split_once("peak KiB: ")).map(|(_, kib)| kib.trim());
    found.and_then(|kib| kib.parse().ok()).unwrap_or_else(|| panic!("{what}: {output:?}"))
}

#[tokio::test]
async fn the_other_process_measures() {
    let Ok(what) = std::env::var(MEASURE) else { return };
    let count = |count: usize| RawInput::Text(Value::from(count).to_string());
    let peak = match what.as_str() {
        "bytes there and back" => peak_kib(BASICS, "echo-bytes", RawInput::Bytes(vec![7; LIMIT])).await,
        "bytes" => peak_kib(HOSTILE, "answer", count(LIMIT >> 20)).await,
        "all truths" => peak_kib(HOSTILE, "answer-bools", count(LIMIT)).await,
        "some truths" => peak_kib(HOSTILE, "answer-bools", count(1_500_000)).await,
        "all records" => peak_kib(HOSTILE, "answer-records", count(1_000_000)).await,
        "some records" => peak_kib(HOSTILE, "answer-records", count(200_000)).await,
        other => panic!("{other} is not measured"),
    };
    println!("peak KiB: {peak}");
}

#[test]
fn bytes_take_little_more_of_the_host_than_their_size() {
    // In the guest, in the host, and as base64; an argument is kept besides.
    for (what, times) in [("bytes", 5), ("bytes there and back", 8)] {
        let peak = measured(what);
        assert!(peak < times * LIMIT_KIB, "{what}: {peak} KiB");
    }
}

#[test]
fn no_answer_takes_more_of_the_host_than_was_given_to_it() {
    for what in ["all truths", "some truths", "all records", "some records"] {
        let peak = measured(what);
        // What the guest takes for it comes on top.
        assert!(peak < (12 + 3) * LIMIT_KIB, "{what}: {peak} KiB");
    }
}
