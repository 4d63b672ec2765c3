//! `wasmpool map` as a stream: lines become records one by one, a call that takes long holds up no other, and memory
//! stays the same however long the input is. An end may come early: by a reader who leaves or by too many failures.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::command_support::{Running, cache_dir, map, text_of};
use crate::guests::component;
use crate::support::BASICS;

/// Nobody waits for it.
const A_DAY_MS: u32 = 86_400_000;

fn index_of(line: &str) -> u64 {
    let record: Value = serde_json::from_str(line).expect("a record");
    record["index"].as_u64().expect("a number")
}

#[test]
fn a_record_comes_out_before_the_next_line_goes_in() {
    let mut running = Running::map(&["add", "--progress", "none"]);
    for n in 0..20 {
        running.give(&format!("[{n},1]\n"));
        assert_eq!(index_of(&running.next_line()), n);
    }
    running.give_no_more();
    assert_eq!(running.end().exits(0).summary(), "20 calls: 20 done");
}

#[test]
fn calls_go_on_behind_one_that_waits_and_their_records_keep_the_order_of_the_input() {
    let mut running = Running::map(&["say-slowly", "-w", "1", "-c", "8"]);
    running.give(&format!("[\"first\",{A_DAY_MS}]\n"));
    running.hear("#0 | first begins");
    for n in 1..=40 {
        running.give(&format!("[\"call {n}\",0]\n"));
        running.hear(&format!("#{n} | call {n} ends"));
    }
    // A second signal ends the first call; what ended before it has waited for its record.
    running.signal("INT");
    running.hear("SIGINT");
    running.signal("INT");
    let ran = running.end().exits(130);
    let indexes: Vec<_> = ran.stdout.lines().map(index_of).collect();
    assert_eq!(indexes, (0..=40).collect::<Vec<_>>());
    assert_eq!(ran.records()[0]["error"]["kind"], "cancelled");
    assert_eq!(ran.summary(), "41 calls: 40 done, 1 failed (1 cancelled)");
}

#[test]
fn unordered_records_come_as_calls_end() {
    let mut running = Running::map(&["say-slowly", "-w", "1", "-c", "8", "--unordered"]);
    running.give(&format!("[\"first\",{A_DAY_MS}]\n"));
    running.hear("#0 | first begins");
    for n in 1..=40 {
        running.give(&format!("[\"call {n}\",0]\n"));
        assert_eq!(index_of(&running.next_line()), n);
    }
    running.signal("TERM");
    running.hear("SIGTERM");
    running.signal("TERM");
    let ran = running.end().exits(143);
    assert_eq!(ran.records().len(), 1, "{ran:#?}");
    assert_eq!(ran.records()[0]["error"]["kind"], "cancelled");
}

#[test]
fn a_short_input_comes_in_input_order_too() {
    let ran = map(&["sleep-ms", "--values", "-w", "2"], "40\n0\n20\n1\n0\n").exits(0);
    ran.prints("40\n0\n20\n1\n0\n");
}

#[test]
fn a_reader_who_leaves_is_a_normal_end() {
    let script = r#"yes '[1,1]' | "$0" map "$1" add | head -n 1000 | wc -l; echo "${PIPESTATUS[1]}""#;
    let mut command = assert_cmd::Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_wasmpool")]).arg(component(BASICS));
    let output = command.env("WASMPOOL_CACHE_DIR", cache_dir()).timeout(std::time::Duration::from_secs(120));
    let output = output.output().expect("bash starts");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<_> = printed.split_whitespace().collect();
    assert_eq!(numbers, ["1000", "0"], "{talk}");
    assert!(!talk.contains("panicked") && talk.trim_end().ends_with(" s"), "{talk}");
}

#[test]
fn a_full_disk_is_not() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let no_space = "No space left on device";
    map(&["add", "--output", "/dev/full"], "[1,2]\n").exits(2).says("cannot write the output").says(no_space);
    let ran = map(&["add", "--failed-input", "/dev/full"], "[1]\n").exits(2).says(no_space);
    ran.says("cannot write the failed input");
    // More than is buffered: it is noticed on the way, and the summary is the last line all the same.
    let ran = map(&["add", "--failed-input", "/dev/full"], "[1]\n".repeat(10_000)).exits(2);
    let ran = ran.says("cannot write the failed input").says(no_space);
    assert!(ran.summary().contains(" calls: 0 done, "), "{}", ran.summary());
    let full = || fs::File::options().write(true).open("/dev/full").expect("a device");
    for (command, task) in [("run", &["add", "1", "2"][..]), ("map", &["whoami", "--times", "3"])] {
        let mut command_line = Command::new(env!("CARGO_BIN_EXE_wasmpool"));
        command_line.arg(command).arg(component(BASICS)).args(task).env("WASMPOOL_CACHE_DIR", cache_dir());
        let output = command_line.stdout(full()).stderr(std::process::Stdio::piped()).spawn();
        let output = output.and_then(std::process::Child::wait_with_output).expect("the command starts");
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(no_space), "{command}");
    }
}

#[test]
fn too_many_failures_take_no_more_input() {
    let mut running =
        Running::map(&["fail-typed", "--max-fail", "3", "-w", "1", "-c", "1", "--attempts", "1"]);
    running.give("0\n1\n0\n0\n");
    running.hear("3 failed; no more input is taken");
    // The input is still open, and nobody reads it.
    let ran = running.end().exits(1);
    assert_eq!(ran.records().len(), 4, "{ran:#?}");
    assert_eq!(ran.summary(), "4 calls: 1 done, 3 failed (3 task-error)");
}

#[test]
fn too_many_failures_wait_for_running_calls_or_end_them() {
    let flags =
        |max_fail| ["boom-if", "--max-fail", max_fail, "-w", "2", "-c", "1", "--guest-output", "none"];
    let ran = map(&flags("1"), "[0,0,true,0]\n[1,0,false,200]\n").exits(1);
    assert_eq!(ran.records()[1]["ok"], 1);
    assert_eq!(ran.summary(), "2 calls: 1 done, 1 failed (1 trapped)");
    let input = format!("[0,0,true,0]\n[1,0,false,{A_DAY_MS}]\n");
    let ran = map(&flags("1:now"), input).exits(1).says("1 failed; stopping");
    let kinds: Vec<_> = ran.records().iter().map(|record| record["error"]["kind"].clone()).collect();
    assert_eq!(kinds, ["trapped", "cancelled"]);
    assert_eq!(ran.summary(), "2 calls: 0 done, 2 failed (1 cancelled, 1 trapped)");
    // A failure counts when it happens, not when its record's turn comes.
    let flags = ["boom-if", "--max-fail", "1:now", "-w", "1", "-c", "2", "--guest-output", "none"];
    let ran =
        map(&flags, format!("[0,0,false,{A_DAY_MS}]\n[1,0,true,0]\n")).exits(1).says("1 failed; stopping");
    let kinds: Vec<_> = ran.records().iter().map(|record| record["error"]["kind"].clone()).collect();
    assert_eq!(kinds, ["cancelled", "trapped"]);
    map(&["add", "--max-fail", "0"], "").exits(2).says("--max-fail");
    map(&["add", "--max-fail", "1:later"], "").exits(2).says("neither `wait` nor `now`");
}

#[test]
fn the_lines_of_failed_calls_are_kept_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("failed");
    let input = b" [1, 0] \r\n[4,2]\n\n[ 5,0]\nbad\xff\n[8,4]\n{\"b\":0, \"a\":7}";
    let flags = ["div", "--values", "--failed-input", text_of(&file)];
    for order in [&[][..], &["--unordered"]] {
        map(&[&flags, order].concat(), input).exits(1);
        let kept = fs::read(&file).expect("a file");
        let mut kept: Vec<_> =
            kept.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).collect();
        let mut failed = [&b" [1, 0] \r\n"[..], b"[ 5,0]\n", b"bad\xff\n", b"{\"b\":0, \"a\":7}"]
            .map(<[u8]>::trim_ascii_end);
        if !order.is_empty() {
            kept.sort_unstable();
            failed.sort_unstable();
        }
        assert_eq!(kept, failed);
    }
    map(&flags, input).exits(1);
    let kept = fs::read(&file).expect("a file");
    assert_eq!(kept, b" [1, 0] \r\n[ 5,0]\nbad\xff\n{\"b\":0, \"a\":7}");
    // What was kept can be mapped again.
    let again = map(&["div", "--input", text_of(&file)], "").exits(1);
    assert_eq!(again.summary(), "4 calls: 0 done, 4 failed (3 task-error, 1 bad-input)");
    map(&flags, "[4,2]\n").exits(0);
    assert_eq!(fs::read(&file).expect("a file"), b"");
}

#[test]
fn lines_that_are_texts_or_names_of_files_are_kept_byte_for_byte_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("failed");
    let kept = |task_and_kind: &[&str], input: &[u8]| {
        map(&[task_and_kind, &["--failed-input", text_of(&file)]].concat(), input).exits(1);
        fs::read(&file).expect("a file")
    };
    assert_eq!(kept(&["sleep-ms", "--lines"], b"1\n x \r\n\n0\n\xff"), b" x \r\n\n\xff");
    let there = folder.path().join("there");
    fs::write(&there, "5").expect("a file");
    let names = format!("no file\r\n{}\n\n \t no file\n.", text_of(&there));
    assert_eq!(kept(&["sleep-ms", "--files"], names.as_bytes()), b"no file\r\n \t no file\n.");
    // Once for each call that failed.
    assert_eq!(kept(&["sleep-ms", "--times", "2", "--input", "-"], b"1\nx"), b"x\nx");
}

/// Returns the peak of memory, in KiB, once so many calls have ended.
#[cfg(target_os = "linux")]
fn peak_kib_of(calls: usize) -> u64 {
    let mut running = Running::map(&["add", "-w", "2", "--progress", "none"]);
    let lines = "[20,22]\n".repeat(1_000);
    for _ in 0..calls / 1_000 {
        running.give(&lines);
        for _ in 0..1_000 {
            running.next_line();
        }
    }
    let peak = running.peak_kib();
    running.give_no_more();
    let ran = running.end().exits(0);
    assert_eq!(ran.summary(), format!("{calls} calls: {calls} done"));
    peak
}

#[cfg(target_os = "linux")]
#[test]
fn ten_times_the_input_takes_no_more_memory() {
    let (short, long) = (peak_kib_of(30_000), peak_kib_of(300_000));
    let bound = short + short / 10 + 4 * 1024;
    assert!(long <= bound, "{short} KiB for 30 000 lines, {long} KiB for 300 000");
}
