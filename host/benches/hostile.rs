//! How long callers wait to hear of an attack, what it costs the host in memory at its peak, and that a well-behaved
//! neighbour notices nothing: each attack of `tests/guests/hostile` twice at once, beside 1,000 calls of another module.
//! Then by how much a call that computes for ever overruns its time.
//!
//! `cargo bench --bench hostile`. Peaks are read where the system tells them (Linux).

#[path = "shared/guests.rs"]
mod guests;

use std::fs;
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use wasmpool::{CallError, Limits, Pool, PoolBuilder, TaskModule};

use crate::guests::guest;

const MIB: usize = 1 << 20;
const NEIGHBOURS: i64 = 1_000;
const ROUNDS: usize = 21;

#[tokio::main]
async fn main() {
    let [hostile, basics] = [guest("hostile"), guest("basics")];
    let [hostile, basics] =
        [TaskModule::from_file(hostile).await, TaskModule::from_file(basics).await].map(Result::unwrap);
    println!(
        "| attack | limit | ends as | heard after | peak above idle | neighbour |\n|---|---|---|---|---|---|"
    );
    let late = Limits::default().attempt_timeout(Duration::from_millis(300));
    for task in ["spin", "spin-async", "wait-for-ever", "sleep-for-a-day"] {
        attack(&hostile, &basics, &late, "300 ms", task, json!([])).await;
    }
    let limits = Limits::default().attempt_timeout(Duration::from_secs(30)).memory_bytes(64 * MIB);
    for task in ["grow-in-steps", "grow-at-once", "grow-by-instruction"] {
        attack(&hostile, &basics, &limits, "64 MiB", task, json!([])).await;
    }
    for (limit, task, args) in [
        ("512 KiB", "recurse", json!([])),
        ("512 KiB", "recurse-with-big-frames", json!([])),
        ("16 MiB", "answer", json!([32])),
        ("16 MiB", "answer", json!([16])),
        ("16 MiB", "answer-bools", json!([1_500_000])),
        ("16 MiB", "answer-bools", json!([16 * MIB])),
        ("16 MiB", "answer-records", json!([100_000])),
        ("16 MiB", "answer-records", json!([400_000])),
        ("16 MiB", "take", json!([BASE64_STANDARD.encode(vec![7; 16 * MIB])])),
        ("64 KiB", "flood-stderr", json!([100])),
        ("65,536", "begin-waits", json!([100_000])),
        ("65,536", "open-streams", json!([100_000])),
        ("65,536", "open-futures", json!([100_000])),
        ("", "panic-in-panic", json!([])),
        ("", "exit-in-the-middle", json!([0])),
        ("", "trap", json!([])),
        ("", "read-stdin", json!([])),
    ] {
        attack(&hostile, &basics, &limits, limit, task, args).await;
    }
    overrun(&basics).await;
}

async fn attack(
    hostile: &TaskModule,
    basics: &TaskModule,
    limits: &Limits,
    limit: &str,
    task: &str,
    args: Value,
) {
    let built = PoolBuilder::new().module("attacker", hostile.clone()).module("basics", basics.clone());
    let pool = built.workers(2).limits(limits.clone()).build().await.expect("both open");
    let attack = pool.json_task_of_args(&format!("attacker/{task}")).expect("a task");
    let add = pool.task::<(i64, i64), i64>("basics/add").expect("a task");
    let shown = args.to_string();
    let shown = if shown.len() > 20 { "a large argument" } else { &shown };
    let args = args.as_array().expect("arguments").clone();
    let idle = reset_peak();
    let start = Instant::now();
    let attacks = [attack.submit(args.clone()), attack.submit(args)];
    let sums = add.starmap((0..NEIGHBOURS).map(|n| (n, 1))).try_values();
    let ends = async {
        let mut kind = String::new();
        for attack in attacks {
            kind = kind_of(attack.await);
        }
        (kind, start.elapsed())
    };
    let ((kind, heard), sums) = tokio::join!(ends, sums);
    let right = sums.map_or(0, |sums| sums.len());
    let peak = peak().saturating_sub(idle) / 1024;
    println!(
        "| {task} {shown} | {limit} | {kind} | {} ms | {peak} MiB | {right} of {NEIGHBOURS} |",
        heard.as_millis()
    );
    pool.abort().await;
}

fn kind_of(ended: Result<Value, CallError<Value>>) -> String {
    match ended {
        Ok(_) => "ok".to_owned(),
        Err(CallError::Failed(failure)) => failure.kind().to_owned(),
        Err(other) => other.to_string(),
    }
}

/// Measures by how much a call that computes for ever overruns its time, until its caller hears.
async fn overrun(basics: &TaskModule) {
    let limit = Duration::from_millis(100);
    let pool = Pool::builder(basics.clone()).workers(1).attempt_timeout(limit).build().await.expect("opens");
    let spin = pool.task::<(u64,), u64>("spin").expect("a task");
    let mut overruns = Vec::new();
    for _ in 0..ROUNDS {
        let report = spin.submit((u64::MAX,)).report().await.expect("accepted");
        overruns.push(report.running.saturating_sub(limit));
    }
    overruns.sort();
    println!(
        "\na busy call with a limit of {limit:?} overruns it by {:.1?} (median of {ROUNDS}; {:.1?} to {:.1?})",
        overruns[ROUNDS / 2],
        overruns[0],
        overruns[ROUNDS - 1]
    );
}

/// Begins to measure the peak anew; returns what is resident now, in KiB.
fn reset_peak() -> usize {
    // Where this does not exist the peaks are of the whole process.
    let _ = fs::write("/proc/self/clear_refs", "5");
    status("VmRSS:")
}

fn peak() -> usize {
    status("VmHWM:")
}

fn status(line: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    found.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
