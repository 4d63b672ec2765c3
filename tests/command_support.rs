//! What the tests of the command share: a command that runs to its end within a bound, and one that is watched while
//! it runs and stopped by signals. Who waits, waits for a line or for the end; nothing sleeps for luck.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::guests::component;
use crate::support::{BASICS, RAW, STATEFUL};

/// No command of these tests needs a tenth of it.
const BOUND: Duration = Duration::from_secs(120);

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `None` if a signal or the bound ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Expects an exit code, and shows everything if it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Expects a text in what was said.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "nothing says `{text}`: {self:#?}");
        self
    }

    /// Expects exactly these data.
    #[track_caller]
    pub(crate) fn prints(self, data: &str) -> Self {
        assert_eq!(self.stdout, data, "{}", self.stderr);
        self
    }

    /// Returns the records of `map`, parsed; the order of their fields is that of the text.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no record: {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Returns the last line that was said, without the time at its end.
    #[track_caller]
    pub(crate) fn summary(&self) -> &str {
        let last = self.stderr.lines().next_back().expect("a summary");
        last.rsplit_once("; ").unwrap_or_else(|| panic!("no summary: {last}")).0
    }
}

/// The command, ready to be given more: with the tests' cache, and killed when it takes too long.
pub(crate) fn wasmpool<I: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = I>) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_wasmpool"));
    command.args(args).env("WASMPOOL_CACHE_DIR", cache_dir()).timeout(BOUND);
    command
}

/// Runs a command to its end.
pub(crate) fn end_of(command: &mut assert_cmd::Command) -> Ran {
    let output = command.output().expect("the command starts");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("data is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("talk is UTF-8"),
    }
}

/// Calls a task of `basics` once.
pub(crate) fn run(task_and_args: &[&str]) -> Ran {
    let module = component(BASICS);
    end_of(wasmpool(["run"]).arg(module).args(task_and_args))
}

/// Maps a task of `basics` over an input.
pub(crate) fn map(task_and_flags: &[&str], input: impl Into<Vec<u8>>) -> Ran {
    let module = component(BASICS);
    end_of(wasmpool(["map"]).arg(module).args(task_and_flags).write_stdin(input))
}

/// Calls a task of `stateful` once.
pub(crate) fn run_stateful(task_and_args: &[&str]) -> Ran {
    end_of(wasmpool(["run"]).arg(component(STATEFUL)).args(task_and_args))
}

/// Where the guest without our SDK is.
pub(crate) fn raw() -> PathBuf {
    component(RAW)
}

/// Where the tests keep compiled code.
pub(crate) fn cache_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A text that a path must be to be an argument.
pub(crate) fn text_of(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}

/// A command that runs. It is killed when this goes.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    heard: String,
}

impl Running {
    /// Starts to map a task of `basics`, its input still open.
    pub(crate) fn map(task_and_flags: &[&str]) -> Self {
        Running::start("map", task_and_flags)
    }

    /// Starts a command with a task of `basics`.
    pub(crate) fn start(command: &str, task_and_flags: &[&str]) -> Self {
        Running::start_with(command, &component(BASICS), task_and_flags)
    }

    /// Starts a command with a task of any module.
    pub(crate) fn start_with(command: &str, module: &Path, task_and_flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wasmpool"))
            .arg(command)
            .arg(module)
            .args(task_and_flags)
            .env("WASMPOOL_CACHE_DIR", cache_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stdin = child.stdin.take();
        let stdout = lines_of(child.stdout.take().expect("it is piped"));
        let stderr = lines_of(child.stderr.take().expect("it is piped"));
        Running { child, stdin, stdout, stderr, heard: String::new() }
    }

    /// Gives it input.
    pub(crate) fn give(&mut self, input: &str) {
        let stdin = self.stdin.as_mut().expect("the input is open");
        stdin.write_all(input.as_bytes()).expect("it reads");
    }

    /// Ends the input.
    pub(crate) fn give_no_more(&mut self) {
        self.stdin = None;
    }

    /// Waits until it says something.
    #[track_caller]
    pub(crate) fn hear(&mut self, text: &str) {
        let until = Instant::now() + BOUND;
        loop {
            match self.stderr.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.heard.push_str(&line);
                    if line.contains(text) {
                        return;
                    }
                }
                Err(_) => panic!("it does not say `{text}`, only:\n{}", self.heard),
            }
        }
    }

    /// Waits for the next line of data.
    #[track_caller]
    pub(crate) fn next_line(&mut self) -> String {
        self.stdout.recv_timeout(BOUND).expect("a line of data")
    }

    /// Sends a signal, `INT` for example.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill starts").success(), "the signal is sent");
    }

    /// Ends it as a machine without memory would, with no time for anything.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it can be waited for");
    }

    /// Returns the most memory it has ever used, in KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it lives");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Waits for the end; data that were taken with `next_line` are not in it.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ran {
        let stdout = rest_of(&self.stdout);
        let stderr = std::mem::take(&mut self.heard) + &rest_of(&self.stderr);
        let status = self.child.wait().expect("it can be waited for");
        Ran { code: status.code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (lines, received) = channel();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = String::new();
        while pipe.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
            if lines.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    received
}

#[track_caller]
fn rest_of(lines: &Receiver<String>) -> String {
    let mut rest = String::new();
    loop {
        match lines.recv_timeout(BOUND) {
            Ok(line) => rest.push_str(&line),
            Err(RecvTimeoutError::Disconnected) => return rest,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end; so far:\n{rest}"),
        }
    }
}
