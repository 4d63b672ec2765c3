//! What the sandboxes of a snapshot share. Measured in a process of its own, because memory is counted by process:
//! the test starts the test binary again with only the measuring in it.

#![cfg(target_os = "linux")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmpool::{Event, PoolBuilder};

use crate::support::{SNAPSHOT, bounded, builder, until};

/// Set to the way in which sandboxes get their table when this process is the one that measures.
const MEASURE: &str = "WASMPOOL_TEST_MEASURE_MEMORY";
const SANDBOXES: usize = 50;
const TABLE_KIB: u64 = 8 << 10;

/// Returns the memory that this process shares with nobody and no other mapping, in KiB.
fn private_kib() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux has it");
    let kib = |line: &str| line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
    let private = rollup.lines().filter(|line| line.starts_with("Private_"));
    private.map(|line| kib(line).expect("a number")).sum()
}

/// Returns what 50 more sandboxes add to this process, each with a call that looks into its table.
async fn added_kib(builder: PoolBuilder) -> u64 {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = opened.clone();
    let builder = builder.workers(SANDBOXES + 1).concurrency(1).on_event(move |event| {
        count.fetch_add(usize::from(matches!(event, Event::SandboxOpened { .. })), Ordering::Relaxed);
    });
    let pool = bounded("build", builder.build()).await.expect("it opens");
    until("the first sandbox", || opened.load(Ordering::Relaxed) == 1).await;
    let before = private_kib();
    let lookup = pool.task::<(u32, u32), Option<u64>>("lookup-later").expect("a task");
    let calls: Vec<_> = (0..=SANDBOXES).map(|_| lookup.submit((1 << 19, 3_600_000))).collect();
    until("all sandboxes", || opened.load(Ordering::Relaxed) == SANDBOXES + 1).await;
    let added = private_kib().saturating_sub(before);
    drop(calls);
    bounded("abort", pool.abort()).await;
    added
}

/// Starts this test binary again to measure, and returns what it found.
fn measured(how: &str) -> u64 {
    let mut command = Command::new(std::env::current_exe().expect("this is a program"));
    command.args(["--exact", "snapshot_memory::the_other_process_measures", "--nocapture"]);
    let output = command.env(MEASURE, how).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said.lines().find_map(|line| line.split_once("added KiB: ")).map(|(_, kib)| kib.trim());
    found.and_then(|kib| kib.parse().ok()).unwrap_or_else(|| panic!("{how}: {output:?}"))
}

#[tokio::test]
async fn the_other_process_measures() {
    let Ok(how) = std::env::var(MEASURE) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let builder = builder(SNAPSHOT, 1, 1).await;
    let builder = match how.as_str() {
        "cached" => builder.snapshot_args(("table",)).cache_dir(folder.path().join("cache")),
        "initialized" => builder.initializer("load", ("table",)),
        _ => builder.snapshot_args(("table",)),
    };
    println!("added KiB: {}", added_kib(builder).await);
}

#[test]
fn many_sandboxes_share_the_table_of_a_snapshot() {
    for how in ["cached", "uncached"] {
        let added = measured(how);
        eprintln!("{how}: {SANDBOXES} sandboxes add {added} KiB");
        assert!(added < 3 * TABLE_KIB, "{how}: {SANDBOXES} sandboxes add {added} KiB");
    }
    let added = measured("initialized");
    assert!(added > SANDBOXES as u64 * TABLE_KIB, "an initializer fills each anew: {added} KiB");
}
