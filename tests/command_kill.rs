//! A run that is killed at any moment, its last record cut in half, and gone on with until all is done: every call is
//! recorded once, and a server that the calls ask saw none again that was recorded.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::command_support::{Running, text_of};
use crate::guests::component;
use crate::http_server::Server;
use crate::support::until;

/// How many calls there are, and how often they are killed. More of both: `WASMPOOL_KILLS='5000 20' cargo test kill`.
const FEW: (usize, usize) = (400, 6);

const WORKERS: usize = 2;
const CONCURRENCY: usize = 8;

fn numbers() -> (usize, usize) {
    let Ok(text) = std::env::var("WASMPOOL_KILLS") else { return FEW };
    let numbers: Vec<_> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [calls, kills] = numbers[..] else { panic!("two numbers, not `{text}`") };
    (calls, kills)
}

/// The calls that the server was asked for, in order.
fn asked(server: &Server) -> Vec<usize> {
    let path = |head: &String| head.split(' ').nth(1).and_then(|path| path[1..].parse().ok());
    server.heads().iter().map(|head| path(head).expect("a number")).collect()
}

/// Cuts the last record somewhere, and returns the calls of those that are whole.
fn cut(output: &Path, random: &mut fastrand::Rng) -> HashSet<usize> {
    let mut bytes = fs::read(output).unwrap_or_default();
    if let Some((_, all_but_end)) = bytes.split_last() {
        let last_begins = all_but_end.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(random.usize(last_begins..bytes.len()));
        fs::write(output, &bytes).expect("a file");
    }
    let text = String::from_utf8(bytes).expect("records are text");
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(index_of).collect()
}

fn index_of(record: &str) -> usize {
    let record: serde_json::Value = serde_json::from_str(record).expect("a record");
    record["index"].as_u64().expect("a number") as usize
}

/// Kills a run of many calls again and again, and returns how many requests were sent twice.
async fn killed_and_gone_on_with(order: &[&str], seed: u64) -> usize {
    let (calls, kills) = numbers();
    let server = Server::start("nowhere").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    let lines: String = (0..calls).map(|n| format!("[\"{}\",\"/{n}\"]\n", server.origin())).collect();
    fs::write(&input, lines).expect("a file");
    let (workers, concurrency, origin) = (WORKERS.to_string(), CONCURRENCY.to_string(), server.origin());
    let flags =
        ["get", "--resume", "--input", text_of(&input), "--output", text_of(&output), "--http", &origin];
    let flags = [&flags[..], &["-w", &workers, "-c", &concurrency], order].concat();
    let module = component("tests/guests/fetch");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut recorded = HashSet::new();
    for kill in 0..kills {
        let before = server.heads().len();
        let running = Running::start_with("map", &module, &flags);
        let most = (calls - recorded.len()) / (kills - kill) + 1;
        let moment = before + random.usize(0..=most);
        until("a moment to kill it", || server.heads().len() >= moment).await;
        running.kill();
        let ever_asked = asked(&server);
        let again: Vec<_> = ever_asked[before..].iter().filter(|call| recorded.contains(*call)).collect();
        assert!(again.is_empty(), "kill {kill} of seed {seed}: {again:?} were recorded and ran again");
        recorded = cut(&output, &mut random);
    }
    let before = server.heads().len();
    let ran = Running::start_with("map", &module, &flags).end().exits(0);
    let left = calls - recorded.len();
    assert!(ran.summary().starts_with(&format!("{calls} calls: {left} done")), "{}", ran.summary());
    let asked = asked(&server);
    assert!(asked[before..].iter().all(|call| !recorded.contains(call)), "seed {seed}");
    let mut indexes: Vec<_> = fs::read_to_string(&output).expect("a file").lines().map(index_of).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..calls).collect::<Vec<_>>(), "every call is recorded once");
    asked.len() - calls
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_runs_are_gone_on_with_and_no_recorded_call_runs_again() {
    let twice = killed_and_gone_on_with(&["--unordered"], 1).await;
    let (_, kills) = numbers();
    // Calls in flight, those whose records were on their way, and the record that was cut.
    let most = kills * (4 * WORKERS * CONCURRENCY + 1);
    assert!(twice <= most, "{twice} calls ran twice, not at most {most}");
    eprintln!("{twice} requests were sent twice after {kills} kills, as completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_runs_in_input_order_are_gone_on_with_too() {
    let twice = killed_and_gone_on_with(&[], 2).await;
    eprintln!("{twice} requests were sent twice after {} kills, in input order", numbers().1);
}
