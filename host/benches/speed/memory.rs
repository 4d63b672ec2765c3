//! What sandboxes, workers and queued calls take of the machine's memory: what is private to a process, after less
//! before, over their number. Each measurement is a process of its own, so that nothing is left over from another.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wasmpool::{Isolation, Pool, PoolBuilder, Task, TaskModule};

use crate::bare::{Bare, Concurrency, Opened};
use crate::pooled::{block_on, with_pool};
use crate::report::Report;
use crate::subjects::Subjects;

/// Processes for each measurement.
const SAMPLES: usize = 5;

/// Sandboxes that are open at once, as `bare.rs` has slots for.
const SANDBOXES: usize = 1_000;

/// How long calls wait that are all to be running at once.
const LONG_ENOUGH_MS: u32 = 3_000;

/// Calls that wait in the queue.
const QUEUED: usize = 100_000;

/// What is looked at in a process of its own.
type Look = fn(&Path) -> u64;

const LOOKS: &[(&str, Look)] = &[
    ("idle", |file| idle_sandbox(file, 0)),
    ("idle-touched", |file| idle_sandbox(file, 16)),
    ("bare-store", bare_store),
    ("process", |_| private_bytes()),
    ("workers-1", |file| workers(file, 1)),
    ("workers-9", |file| workers(file, 9)),
    ("queued-call", queued_call),
];

/// Measures sandboxes that have answered a call and wait for the next.
pub(crate) fn idle(subjects: &Subjects, report: &mut Report) {
    let file = &subjects.speed.file;
    report.bytes("bare store", samples(|| look("bare-store", file)));
    report.bytes("exclusive pool", samples(|| look("idle", file)));
}

/// Measures what else takes memory.
pub(crate) fn memory(subjects: &Subjects, report: &mut Report) {
    let file = &subjects.speed.file;
    report.bytes("bare process", samples(|| look("process", file)));
    report.bytes("process with a pool of 1 worker", samples(|| look("workers-1", file)));
    let worker = || look("workers-9", file).saturating_sub(look("workers-1", file)) / 8;
    report.bytes("worker", samples(worker));
    report.bytes("queued call with its handle", samples(|| look("queued-call", file)));
    report.bytes("idle sandbox, 16 pages of 4 KiB touched", samples(|| look("idle-touched", file)));
}

fn samples(look: impl Fn() -> u64) -> Vec<u64> {
    (0..SAMPLES).map(|_| look()).collect()
}

/// Starts this program once more, to look at one thing.
fn look(name: &str, guest: &Path) -> u64 {
    let program = std::env::current_exe().expect("this program has a path");
    let output = Command::new(program).args(["--child", name]).arg(guest).output().expect("it starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a number").trim().parse().expect("a number")
}

/// Looks at one thing and prints how many bytes it takes; what the child process does.
pub(crate) fn look_and_print(name: &str, guest: &Path) {
    let (_, look) = LOOKS.iter().find(|(known, _)| *known == name).expect("the parent knows the names");
    println!("{}", look(guest));
}

/// Returns how much memory this process has for itself alone.
fn private_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("Linux tells");
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    // Pages of the system are counted in KiB; the last kind, of huge pages set aside, is not used here.
    private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>() * 1024
}

fn pool(file: &Path) -> PoolBuilder {
    Pool::builder(block_on(TaskModule::from_file(file)).expect("the guest loads"))
}

/// Opens as many sandboxes as there are calls at once, and looks when all calls are answered.
fn idle_sandbox(file: &Path, pages: u32) -> u64 {
    let builder = pool(file).workers(1).concurrency(SANDBOXES).isolation(Isolation::Exclusive);
    with_pool(builder, async |pool| {
        let touch = pool.task::<(u32, u32), u32>("touch-and-wait").expect("the guest has this task");
        let before = private_bytes();
        let calls: Vec<_> = (0..SANDBOXES).map(|_| touch.submit((pages, LONG_ENOUGH_MS))).collect();
        for call in calls {
            call.await.expect("an answer");
        }
        let serving = pool.stats().sandboxes_serving;
        assert!(serving >= SANDBOXES, "{serving} sandboxes are open");
        private_bytes().saturating_sub(before) / SANDBOXES as u64
    })
}

fn bare_store(file: &Path) -> u64 {
    let bare = Bare::load(file, Concurrency::Supported);
    block_on(async {
        let first = bare_answered(&bare).await;
        let before = private_bytes();
        let mut opened = Vec::with_capacity(SANDBOXES);
        for _ in 0..SANDBOXES {
            opened.push(bare_answered(&bare).await);
        }
        let bytes = private_bytes().saturating_sub(before) / SANDBOXES as u64;
        drop((first, opened));
        bytes
    })
}

/// Opens a store that has answered one call.
async fn bare_answered(bare: &Bare) -> Opened {
    let mut opened = bare.open().await;
    let touch = opened.func::<(u32, u32), (u32,)>("touch-and-wait");
    let answered =
        opened.store.run_concurrent(async |accessor| touch.call_concurrent(accessor, (0, 1)).await);
    answered.await.expect("nothing traps").expect("an answer");
    opened
}

/// A pool all of whose workers have had something to do.
fn workers(file: &Path, workers: usize) -> u64 {
    with_pool(pool(file).workers(workers).concurrency(1), async |pool| {
        let wait = pool.task::<(u32,), u32>("wait").expect("the guest has this task");
        let waits: Vec<_> = (0..workers).map(|_| wait.submit((300,))).collect();
        for wait in waits {
            wait.await.expect("an answer");
        }
        private_bytes()
    })
}

/// Queues calls behind one that holds the only worker.
fn queued_call(file: &Path) -> u64 {
    let builder = pool(file).workers(1).concurrency(1);
    block_on(async {
        let pool = builder.build().await.expect("the pool opens");
        let wait = pool.task::<(u32,), u32>("wait").expect("the guest has this task");
        let add: Task<(u32, u32), u32> = pool.task("add-async").expect("the guest has this task");
        let held = wait.submit((600_000,));
        while pool.stats().calls_running == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let before = private_bytes();
        let queued: Vec<_> = (0..QUEUED).map(|n| add.submit((n as u32, 1))).collect();
        let bytes = private_bytes().saturating_sub(before) / QUEUED as u64;
        drop((held, queued));
        pool.abort().await;
        bytes
    })
}
