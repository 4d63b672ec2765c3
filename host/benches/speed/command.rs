//! The command as a whole process: a single call, and a million lines from a file to a file.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::guests::guest_with;
use crate::report::{Calls, Report, many, way};
use crate::subjects::Subjects;

/// Runs of the command in turn, which with the rounds of the report make more than 20.
const STARTS_IN_TURN: usize = 3;

const LINES: u64 = 1_000_000;

/// Measures one call by a command of its own, of a module of some 100 kB whose compiled code is cached.
pub(crate) fn start(_: &Subjects, report: &mut Report) {
    let cache = tempfile::tempdir().expect("a folder");
    let module = stripped();
    println!("  the module has {} bytes", fs::metadata(&module).expect("the module is there").len());
    let start = || {
        let start = Instant::now();
        let mut run = command(cache.path());
        let output =
            run.arg("run").arg(&module).args(["add-async", "2", "3"]).output().expect("the command starts");
        let took = start.elapsed();
        assert_eq!(output.stdout, b"5\n", "{}", String::from_utf8_lossy(&output.stderr));
        took
    };
    let starts = |_| (0..STARTS_IN_TURN).map(|_| start()).collect();
    report.measure(Calls::Exactly(1), vec![many("command", starts)]);
}

/// Builds the async guest as an author does who says `strip = "debuginfo"`.
fn stripped() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("speed-stripped");
    guest_with("speed", |build| {
        build.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo").env("CARGO_TARGET_DIR", target);
    })
}

/// Returns the command, with a cache of its own.
fn command(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmpool"));
    command.env("WASMPOOL_CACHE_DIR", cache);
    command
}

/// Measures calls by lines of a file, and the most memory that the command has meanwhile.
pub(crate) fn map_lines(subjects: &Subjects, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("input.jsonl"), folder.path().join("output.jsonl"));
    write_lines(&input);
    let mut peaks = Vec::new();
    let map = |_| {
        let mut map = command(folder.path());
        map.arg("map").arg(&subjects.plain.file).args(["add", "--progress", "none", "-w", "2", "--input"]);
        map.arg(&input).stdout(File::create(&output).expect("the output opens")).stderr(Stdio::null());
        let start = Instant::now();
        let peak = peak_of(map.spawn().expect("the command starts"));
        let took = start.elapsed();
        peaks.push(peak);
        check_lines(&output);
        took
    };
    report.measure(Calls::Exactly(LINES), vec![way("command", map)]);
    report.bytes("command", peaks);
}

fn write_lines(input: &Path) {
    let mut input = BufWriter::new(File::create(input).expect("the input opens"));
    for n in 0..LINES {
        writeln!(input, "[{n},1]").expect("there is room");
    }
    input.flush().expect("there is room");
}

/// Looks that all lines are there, in order, with the right answers.
fn check_lines(output: &Path) {
    let output = BufReader::new(File::open(output).expect("the output is there"));
    let mut lines = 0;
    for (n, line) in output.lines().enumerate() {
        let line = line.expect("a line");
        let begin = format!("{{\"index\":{n},\"ok\":{},", n + 1);
        assert!(line.starts_with(&begin), "{line} does not begin with {begin}");
        lines += 1;
    }
    assert_eq!(lines, LINES);
}

/// Waits for a process, and returns the most memory that it was seen to have had. What it takes in its last
/// milliseconds is missed.
fn peak_of(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    loop {
        if let Some(ended) = child.try_wait().expect("it is ours") {
            assert!(ended.success(), "{ended}");
            return peak_kib * 1024;
        }
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak_kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(peak_kib);
        std::thread::sleep(Duration::from_millis(5));
    }
}
