//! The six programs that people bring along, as embedders write them (host/examples) and as operators type them.

use std::path::Path;
use std::process::Command;

use indicatif::ProgressBar;

use crate::command_support::{Running, end_of, wasmpool};
use crate::guests::{component, module};
use crate::http_server::Server;
use crate::support::bounded;

#[path = "../host/examples/adjust.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod adjust;
#[path = "../host/examples/consumers.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod consumers;
#[path = "../host/examples/errors.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod errors;
#[path = "../host/examples/progress.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod progress;
#[path = "../host/examples/retry.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod retry;
#[path = "../host/examples/statuses.rs"]
#[expect(dead_code, reason = "the example's main function is not called here")]
mod statuses;

const DELAYS: &str = "guest/examples/delays";
const FLAKY: &str = "guest/examples/flaky";
const JOBS: &str = "guest/examples/jobs";
const STATUS: &str = "guest/examples/status";

#[tokio::test]
async fn five_consumers_process_what_a_producer_puts() {
    let numbers = (0..20).map(|_| fastrand::i64(0..100));
    let seen =
        bounded("the program", consumers::consume(module(JOBS).await, numbers)).await.expect("it ends");
    assert_eq!((seen.len(), seen.iter().sum::<u32>()), (5, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_opened_once_and_asks_for_many_statuses() {
    let server = Server::start("").await;
    let paths: Vec<_> = (0..300).map(|number| format!("/{number}")).collect();
    let origin = server.origin();
    let program = statuses::statuses(module(STATUS).await, &origin, &paths);
    assert_eq!(bounded("the program", program).await.expect("it ends"), vec![200; 300]);
    assert!(server.connections() <= 128, "{} connections for 300 requests", server.connections());
}

#[tokio::test]
async fn what_fails_is_adjusted_and_submitted_again() {
    let numbers = [1.0, -4.0, 9.0, -16.0, 25.0, -36.0, 49.0];
    let (mut roots, calls) =
        bounded("the program", adjust::roots(module(FLAKY).await, &numbers)).await.expect("it ends");
    roots.sort_by_key(|(place, _)| *place);
    let expected: Vec<_> = (0..7).map(|place| (place, place as f64 + 1.0)).collect();
    assert_eq!((roots, calls), (expected, 10));
}

#[tokio::test]
async fn a_task_marked_retry_is_mapped_over_names() {
    let values = bounded("the program", retry::values(module(FLAKY).await, 5, 40)).await.expect("it ends");
    assert!(values.len() == 5 && values.iter().all(|value| (0.0..=0.6).contains(value)), "{values:?}");
}

#[tokio::test]
async fn a_thousand_tasks_wait_under_a_bar() {
    let bar = ProgressBar::hidden();
    bar.set_length(1_000);
    let values =
        bounded("the program", progress::thousand(module(DELAYS).await, bar.clone())).await.expect("it ends");
    assert_eq!((values.len(), bar.position()), (1_000, 1_000));
}

#[tokio::test]
async fn a_handler_counts_failures_by_kind() {
    let numbers = vec![1.0, -1.0, 4.0, -4.0, -9.0];
    let failures = bounded("the program", errors::failures(module(FLAKY).await, numbers)).await;
    assert_eq!(failures.expect("it ends").into_iter().collect::<Vec<_>>(), [("task-error", 3)]);
}

#[test]
fn failed_lines_are_kept_to_be_edited_and_mapped_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let again = folder.path().join("again.jsonl");
    let map = |input: &str| {
        let mut command = wasmpool(["map"]);
        command.arg(component(FLAKY)).args(["square-root", "--values", "--failed-input"]).arg(&again);
        end_of(command.write_stdin(input.to_owned()))
    };
    map("4\n-9\n16\n").exits(1).prints("2.0\n4.0\n");
    let failed = std::fs::read_to_string(&again).expect("a file");
    assert_eq!(failed, "-9\n");
    map(&failed.replace('-', "")).exits(0).prints("3.0\n");
}

#[test]
fn names_are_mapped_with_retries_as_the_task_says() {
    let names: String = (0..5).map(|i| format!("worker-{i}\n")).collect();
    let mut command = wasmpool(["map"]);
    command.arg(component(FLAKY)).args(["worker", "--lines", "--values", "--attempts", "40"]);
    command.args(["--retry-delay", "1ms"]);
    let ran = end_of(command.write_stdin(names)).exits(0);
    assert_eq!(ran.stdout.lines().count(), 5);
}

/// Runs the command under a terminal of its own, and returns what that was sent.
fn on_a_terminal(command: &str, folder: &Path) -> String {
    let output = Command::new("script")
        .args(["-qec", &format!("stty cols 120; {command}"), "/dev/null"])
        .env("WASMPOOL_CACHE_DIR", crate::command_support::cache_dir())
        .env("TERM", "xterm")
        .current_dir(folder)
        .output()
        .expect("`script` of util-linux is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn on_a_terminal_the_bar_ends_at_the_last_call_and_elsewhere_there_are_no_escape_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    let wasmpool_path = env!("CARGO_BIN_EXE_wasmpool");
    let delays = component(DELAYS);
    let map = format!("{wasmpool_path} map {} worker --times 1000 -c 500 --values", delays.display());
    let shown = on_a_terminal(&format!("{map} > out.txt"), folder.path());
    let last = shown.rsplit("1000/1000").next().expect("something");
    assert!(shown.contains("1000/1000") && shown.contains('\u{1b}'), "{shown}");
    assert!(last.contains("1000 calls: 1000 done; "), "{shown}");
    let values = std::fs::read_to_string(folder.path().join("out.txt")).expect("a file");
    assert_eq!(values.lines().count(), 1_000);
    let mut plain = wasmpool(["map"]);
    let ran = end_of(plain.arg(delays).args(["worker", "--times", "1000", "-c", "500", "--values"])).exits(0);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stderr.contains('\r'), "{}", ran.stderr);
}

#[test]
fn a_status_is_printed_on_request_and_a_hint_when_all_slots_wait() {
    let mut running =
        Running::start_with("map", &component(DELAYS), &["nap", "-w", "1", "-c", "4", "--progress", "none"]);
    running.give(&"3600000\n".repeat(400));
    running.hear("all 4 slots wait while there is more input: -c 32 starts more at once");
    running.signal("USR1");
    running.hear("0 calls ended, 4 running, ");
    running.hear("  #");
    running.signal("INT");
    running.hear("SIGINT: ");
    running.signal("INT");
    assert_eq!(running.end().code, Some(130));
}
