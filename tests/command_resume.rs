//! `wasmpool map --output FILE --resume`: what is recorded is not run again, what is not is, and nothing is run or
//! changed if the records are not of this input.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::command_support::{Ran, Running, end_of, map, text_of, wasmpool};
use crate::guests::component;

/// A folder with an input and an output.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn with_input(input: impl AsRef<[u8]>) -> Self {
        let place = Place { folder: tempfile::tempdir().expect("a folder") };
        place.put("in.jsonl", input);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).expect("a file");
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    fn records(&self) -> Vec<Value> {
        let text = String::from_utf8(self.bytes("out.jsonl")).expect("records are text");
        text.lines().map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    /// The indexes of all records, in the order of the file.
    fn indexes(&self) -> Vec<u64> {
        self.records().iter().map(|record| record["index"].as_u64().expect("a number")).collect()
    }

    /// Maps a task of `basics` from the input to the output.
    #[track_caller]
    fn map(&self, task_and_flags: &[&str]) -> Ran {
        let (input, output) = (self.path("in.jsonl"), self.path("out.jsonl"));
        let files = ["--input", text_of(&input), "--output", text_of(&output)];
        map(&[task_and_flags, &files].concat(), "")
    }

    /// Expects that a command runs and changes nothing.
    #[track_caller]
    fn refuses(&self, task_and_flags: &[&str]) -> Ran {
        let before = self.bytes("out.jsonl");
        let ran = self.map(task_and_flags).exits(2);
        assert_eq!(self.bytes("out.jsonl"), before, "nothing is lost");
        assert!(!ran.stderr.contains(" calls: "), "nothing is run: {}", ran.stderr);
        ran
    }
}

/// Lines for `add`, as many as are asked for.
fn sums(lines: u32) -> String {
    (0..lines).map(|n| format!("[{n},1]\n")).collect()
}

#[test]
fn a_record_in_a_file_has_a_key_and_one_on_stdout_has_none() {
    let place = Place::with_input(sums(2));
    place.map(&["add"]).exits(0);
    let [first, second] = &place.records()[..] else { panic!("two records") };
    let fields: Vec<_> = first.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(fields, ["index", "key", "ok", "attempts", "wait_ms", "run_ms"]);
    let key = first["key"].as_str().expect("a text");
    assert!(key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert_ne!(first["key"], second["key"]);
    let ran = map(&["add"], sums(1)).exits(0);
    assert_eq!(ran.records()[0]["key"], Value::Null);
}

#[test]
fn what_is_recorded_is_not_run_again_in_whatever_order_it_stands() {
    let place = Place::with_input(sums(60));
    assert_eq!(place.map(&["add", "--resume"]).exits(0).summary(), "60 calls: 60 done", "no file yet");
    let all = String::from_utf8(place.bytes("out.jsonl")).expect("text");
    let mut some: Vec<_> = all.split_inclusive('\n').enumerate().filter(|(n, _)| n % 7 != 3).collect();
    some.reverse();
    place.put("out.jsonl", some.iter().map(|(_, line)| *line).collect::<String>());
    for order in [&["--unordered"][..], &[]] {
        let ran = place.map(&[&["add", "--resume"], order].concat()).exits(0);
        let left = if order.is_empty() { 0 } else { 9 };
        assert_eq!(ran.summary(), format!("60 calls: {left} done; {} before", 60 - left));
        let mut indexes = place.indexes();
        indexes.sort_unstable();
        assert_eq!(indexes, (0..60).collect::<Vec<_>>());
    }
    assert!(
        place.records().iter().all(|record| record["ok"] == json!(record["index"].as_u64().unwrap() + 1))
    );
}

#[test]
fn a_last_line_that_was_cut_off_is_dropped() {
    let place = Place::with_input(sums(5));
    place.map(&["add"]).exits(0);
    let all = place.bytes("out.jsonl");
    let third_ends = all.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).expect("lines").0 + 1;
    for (end, tail) in [(third_ends + 9, ""), (third_ends - 1, ""), (third_ends, "{\"index\":3,\n"), (3, "")]
    {
        place.put("out.jsonl", [&all[..end], tail.as_bytes()].concat());
        let ran = place.map(&["add", "--resume"]).exits(0).says("was cut off, and is dropped");
        let before = if end < third_ends { end / (third_ends / 3) } else { 3 };
        let counts =
            if before == 0 { "5 done".to_owned() } else { format!("{} done; {before} before", 5 - before) };
        assert_eq!(ran.summary(), format!("5 calls: {counts}"));
        assert_eq!(place.indexes(), [0, 1, 2, 3, 4]);
    }
}

#[test]
fn a_changed_line_is_named_and_nothing_is_run_or_lost() {
    let lines: Vec<_> = (0..30).map(|n| format!("[{n},1]\n")).collect();
    let place = Place::with_input(lines.concat());
    place.map(&["add"]).exits(0);
    let fifteen =
        place.bytes("out.jsonl").split_inclusive(|byte| *byte == b'\n').take(20).collect::<Vec<_>>().concat();
    place.put("out.jsonl", [&fifteen, &b"{\"index"[..]].concat());
    let mut changed = lines.clone();
    changed[16] = "[16,2]\n".to_owned();
    place.put("in.jsonl", changed.concat());
    let told = |place: &Place, line: &str| {
        place
            .refuses(&["add", "--resume"])
            .says(line)
            .says("is not what was run as call 16 in `")
            .says("out.jsonl`; ")
    };
    told(&place, "line 17 of `").says("in.jsonl` is not");
    // The same by a pipe, and behind lines that are skipped.
    let output = place.path("out.jsonl");
    let ran = map(&["add", "--resume", "--output", text_of(&output)], changed.concat()).exits(2);
    ran.says("line 17 of stdin is not what was run as call 16");
    place.put("in.jsonl", format!("\n \n{}", changed.concat()));
    told(&place, "line 19 of `");
    // A line that is gone moves the others.
    place.put("in.jsonl", [&lines[..16], &lines[17..]].concat().concat());
    told(&place, "line 17 of `");
    place.put("in.jsonl", lines[..19].concat());
    place.refuses(&["add", "--resume"]).says("has a record of call 19, but `").says("makes only 19 calls");
    // Neither line ends nor what comes later is a change.
    place.put("in.jsonl", lines.concat().replace('\n', "\r\n") + "[7,7]");
    assert_eq!(place.map(&["add", "--resume"]).exits(0).summary(), "31 calls: 11 done; 20 before");
}

#[test]
fn another_task_or_another_kind_of_line_is_named() {
    let place = Place::with_input("1\n2\n");
    place.map(&["sleep-ms"]).exits(0);
    place.refuses(&["fail-typed", "--resume"]).says("was one of task `sleep-ms`, not of `fail-typed`");
    place
        .refuses(&["sleep-ms", "--lines", "--resume"])
        .says("call 0 in `")
        .says("neither --lines nor --files");
    place.refuses(&["sleep-ms", "--times", "2", "--resume"]).says("line 1 of");
    let output = place.path("out.jsonl");
    let flags = ["whoami", "--times", "9", "--resume", "--output", text_of(&output)];
    map(&flags, "").exits(2).says("is not what was run as call 0");
}

#[test]
fn input_may_come_by_a_pipe_by_lines_by_files_and_many_times() {
    let place = Place::with_input("");
    let output = place.path("out.jsonl");
    let resumed = |flags: &[&str], input: &str, summary: &str| {
        let ran = map(&[flags, &["--resume", "--output", text_of(&output)]].concat(), input).exits(0);
        assert_eq!(ran.summary(), summary);
        let indexes = place.indexes();
        assert_eq!(indexes, (0..indexes.len() as u64).collect::<Vec<_>>());
        fs::read_to_string(&output).expect("a file")
    };
    let long = sums(40_000);
    resumed(&["add"], &sums(39_000), "39000 calls: 39000 done");
    let all = resumed(&["add"], &long, "40000 calls: 1000 done; 39000 before");
    assert!(all.lines().last().is_some_and(|line| line.contains("\"ok\":40000,")));
    fs::remove_file(&output).expect("a file");
    resumed(&["echo-text", "--lines"], "\na\n", "2 calls: 2 done");
    resumed(&["echo-text", "--lines"], "\na\n\n5", "4 calls: 2 done; 2 before");
    fs::remove_file(&output).expect("a file");
    place.put("a", "text of a");
    let names = text_of(&place.path("a")).to_owned() + "\n";
    resumed(&["echo-text", "--files"], &names, "1 calls: 1 done");
    let all = resumed(&["echo-text", "--files"], &names.repeat(2), "2 calls: 1 done; 1 before");
    assert_eq!(all.matches("text of a").count(), 2);
    fs::remove_file(&output).expect("a file");
    resumed(&["whoami", "--times", "3"], "", "3 calls: 3 done");
    resumed(&["whoami", "--times", "5"], "", "5 calls: 2 done; 3 before");
    map(&["whoami", "--times", "4", "--resume", "--output", text_of(&output)], "")
        .exits(2)
        .says("has a record of call 4, but --times makes only 4 calls");
    fs::remove_file(&output).expect("a file");
    let thrice = ["sleep-ms", "--times", "3", "--input", "-"];
    let all = resumed(&thrice, "1\n0\n", "6 calls: 6 done");
    place.put("out.jsonl", all.lines().take(4).map(|line| format!("{line}\n")).collect::<String>());
    assert_eq!(resumed(&thrice, "1\n0\n", "6 calls: 2 done; 4 before").lines().count(), 6);
}

#[test]
fn failures_count_and_are_run_again_only_when_that_is_asked_for() {
    let [broken, mended] = ["tests/guests/version-1", "tests/guests/version-2"].map(component);
    let place = Place::with_input((0..10).map(|n| format!("{n}\n")).collect::<String>());
    let (input, output) = (place.path("in.jsonl"), place.path("out.jsonl"));
    let halve = |module: &Path, resume: &[&str]| {
        let mut command = wasmpool(["map"]);
        command.arg(module).args(["halve", "--init-arg", "x", "--input", text_of(&input), "-vv", "-w", "1"]);
        end_of(command.args(["--output", text_of(&output)]).args(resume))
    };
    halve(&broken, &["--max-fail", "3"]).exits(1);
    let ran = halve(&broken, &["--resume"]).exits(1);
    ran.says("failed ones included (--resume=failed runs those)");
    assert_eq!(place.indexes(), (0..10).collect::<Vec<_>>());
    let ran = halve(&mended, &["--resume"]).exits(1);
    assert_eq!(ran.summary(), "10 calls: 0 done; 10 before (5 failed)");
    let ran =
        halve(&mended, &["--resume=failed"]).exits(0).says("5 calls are in `").says("; 5 failed ones are");
    assert_eq!(ran.summary(), "10 calls: 5 done; 5 before");
    for n in 0..10 {
        let is_run = ran.stderr.contains(&format!("call {n} of `halve` runs"));
        assert_eq!(is_run, n % 2 == 1, "call {n}: {}", ran.stderr);
    }
    assert_eq!(place.indexes(), [0, 2, 4, 6, 8, 1, 3, 5, 7, 9]);
    assert!(
        place.records().iter().all(|record| record["ok"] == json!(record["index"].as_u64().unwrap() / 2))
    );
    assert_eq!(halve(&broken, &["--resume=failed"]).exits(0).summary(), "10 calls: 0 done; 10 before");
}

#[test]
fn a_run_that_was_stopped_is_gone_on_with_and_what_was_cancelled_has_failed() {
    let place = Place::with_input("");
    let output = place.path("out.jsonl");
    let flags = ["say-slowly", "-w", "1", "-c", "4", "--output", text_of(&output)];
    let mut stopped = Running::map(&flags);
    let lines = "[\"a\",0]\n[\"b\",86400000]\n[\"c\",0]\n";
    stopped.give(lines);
    stopped.hear("c ends");
    stopped.signal("INT");
    stopped.hear("SIGINT: no more input is taken; waiting for ");
    stopped.signal("INT");
    stopped.end().exits(130);
    assert_eq!(place.records()[1]["error"]["kind"], "cancelled");
    let again = |resume: &str, lines: &str, code| {
        map(&[&flags[..], &[resume]].concat(), lines).exits(code).summary().to_owned()
    };
    let more = lines.to_owned() + "[\"d\",0]\n";
    assert_eq!(again("--resume", &more, 1), "4 calls: 1 done; 3 before (1 failed)");
    assert_eq!(again("--resume=failed", &more.replace("86400000", "1"), 0), "4 calls: 1 done; 3 before");
    assert_eq!(place.indexes(), [0, 2, 3, 1]);
}

#[test]
fn the_line_of_a_failed_call_may_be_mended() {
    let place = Place::with_input("[1,1]\n[2,\n[3,3]\n");
    place.map(&["add"]).exits(1);
    place.put("in.jsonl", "[1,1]\n[2,2]\n[3,3]\n");
    place.refuses(&["add", "--resume"]).says("line 2 of");
    assert_eq!(place.map(&["add", "--resume=failed"]).exits(0).summary(), "3 calls: 1 done; 2 before");
    // All that was recorded must still be in the input, mended or not.
    place.put("in.jsonl", "[1,1]\n[2,2]\n[3,3]\n[4]\n");
    place.map(&["add", "--resume"]).exits(1);
    place.put("in.jsonl", "[1,1]\n[2,2]\n[3,3]\n");
    place.refuses(&["add", "--resume=failed"]).says("has a record of call 3");
}

#[test]
fn the_lines_of_failed_calls_are_those_of_all_runs() {
    let input = b" [1, 0] \r\n[4,2]\n\n[ 5,0]\nbad\xff\n[8,4]\n{\"b\":0, \"a\":7}";
    let failing = b" [1, 0] \r\n[ 5,0]\nbad\xff\n{\"b\":0, \"a\":7}";
    let place = Place::with_input(input);
    let kept = place.path("failed");
    let flags = ["div", "--failed-input", text_of(&kept)];
    place.map(&flags).exits(1);
    assert_eq!(place.bytes("failed"), failing);
    let all = place.bytes("out.jsonl");
    let ends: Vec<_> = (0..all.len()).filter(|at| all[*at] == b'\n').collect();
    for whole in 0..6 {
        place.put("out.jsonl", &all[..=ends[whole]]);
        place.put("failed", "whatever");
        place.map(&[&flags[..], &["--resume"]].concat()).exits(1);
        assert_eq!(place.bytes("failed"), failing, "after {whole} records");
    }
    place.map(&[&flags[..], &["--resume=failed"]].concat()).exits(1);
    assert_eq!(place.bytes("failed"), failing);
    // Nothing is emptied for a run that does not come about.
    place.put("in.jsonl", "[1,2]\n");
    place.refuses(&[&flags[..], &["--resume"]].concat());
    place.refuses(&flags);
    assert_eq!(place.bytes("failed"), failing);
}

#[test]
fn guest_output_and_the_limit_of_failures_are_of_this_run() {
    let place = Place::with_input("[\"a\",1]\n[1]\n[\"c\",1]\n[\"d\",1]\n");
    place.map(&["say"]).exits(1);
    let all = String::from_utf8(place.bytes("out.jsonl")).expect("text");
    let lines: Vec<_> = all.split_inclusive('\n').collect();
    place.put("out.jsonl", [lines[1], lines[2]].concat());
    let ran = place.map(&["say", "--resume", "--max-fail", "1", "-vv"]).exits(1);
    assert_eq!(ran.summary(), "4 calls: 2 done; 2 before (1 failed)");
    ran.says("#0 | a\n").says("#3 | d\n").says("call 3 of `say` runs on").says("call 3 done after");
}

#[test]
fn a_file_of_records_is_not_emptied_without_being_told_to() {
    let place = Place::with_input(sums(3));
    place.map(&["add"]).exits(0);
    place
        .refuses(&["add"])
        .says("holds records of an earlier run; --resume goes on with them, or remove it first");
    place.refuses(&["add", "--values"]).says("holds records of an earlier run");
    // What is no journal is replaced, as ever.
    place.put("out.jsonl", "some notes\n");
    place.map(&["add", "--values"]).exits(0);
    assert_eq!(place.bytes("out.jsonl"), b"1\n2\n3\n");
    place.map(&["add"]).exits(0);
    assert_eq!(place.indexes(), [0, 1, 2]);
}

#[test]
fn what_cannot_be_gone_on_with_is_said() {
    let place = Place::with_input(sums(2));
    map(&["add", "--resume"], "").exits(2).says("--output");
    map(&["add", "--resume", "--output", "-"], "").exits(2).says("--resume: stdout keeps no records");
    place.put("out.jsonl", "3\n4\n");
    place.refuses(&["add", "--resume", "--values"]).says("--values");
    place.refuses(&["add", "--resume"]).says("line 1 of `").says("is not a record of `map`");
    place.refuses(&["add", "--resume=no"]).says("--resume");
    place.put("out.jsonl", "{\"index\":0,\"ok\":1,\"attempts\":1}\n");
    place.refuses(&["add", "--resume"]).says("has no key, as it was not written by --output");
    let folder = place.folder.path();
    map(&["add", "--resume", "--output", text_of(folder)], "").exits(2).says("it is not a plain file");
    let input = place.path("in.jsonl");
    map(&["add", "--resume", "--input", text_of(&input), "--output", text_of(&input)], "")
        .exits(2)
        .says("same file");
}

#[test]
fn two_runs_do_not_write_to_one_file() {
    let place = Place::with_input(sums(2));
    let output = place.path("out.jsonl");
    let mut first = Running::map(&["say-and-hang", "-w", "1", "--output", text_of(&output)]);
    first.give("\"it runs\"\n");
    first.hear("it runs");
    place.refuses(&["add"]).says("is in use by another run");
    place.refuses(&["add", "--resume"]).says("is in use by another run");
}

#[test]
fn a_link_to_the_file_stays_one() {
    if !cfg!(unix) {
        return;
    }
    let place = Place::with_input("[1,1]\n[1]\n");
    place.map(&["add"]).exits(1);
    fs::rename(place.path("out.jsonl"), place.path("elsewhere")).expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink("elsewhere", place.path("out.jsonl")).expect("a link");
    place.put("in.jsonl", "[1,1]\n[1,2]\n");
    place.map(&["add", "--resume=failed"]).exits(0);
    assert!(fs::symlink_metadata(place.path("out.jsonl")).expect("a link").is_symlink());
    assert_eq!(place.indexes(), [0, 1]);
}
