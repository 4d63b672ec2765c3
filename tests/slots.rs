//! Room for sandboxes: slots set aside where their number is moderate, none where it is not, and what is said where
//! the system gives a process too few addresses.

use std::process::Command;

use wasmpool::Isolation;

use crate::guests::component;
use crate::support::{COUNTER, bounded, builder, until};

#[tokio::test]
async fn more_sandboxes_than_slots_could_be_set_aside_for_are_opened_all_the_same() {
    let builder = builder(COUNTER, 1, 5_000).await.isolation(Isolation::Exclusive);
    let pool = builder.build().await.expect("the guest opens");
    let stay = pool.task::<(u32,), (u64, u32)>("stay").expect("a task");
    let calls: Vec<_> = (0..300).map(|_| stay.submit((600_000,))).collect();
    until("all stay at the same time", || pool.stats().calls_running == 300).await;
    assert_eq!(pool.stats().sandboxes_opened, 300);
    pool.abort().await;
    drop(calls);
}

#[tokio::test]
async fn callers_wait_for_slots_and_never_run_out_of_them() {
    // Each call keeps its sandbox for itself, and withdrawn ones keep theirs a while longer.
    let builder = builder(COUNTER, 1, 4).await.isolation(Isolation::Exclusive).recycle_after(1);
    let pool = builder.build().await.expect("the guest opens");
    let stay = pool.task::<(u32,), (u64, u32)>("stay").expect("a task");
    for _ in 0..50 {
        let withdrawn: Vec<_> = (0..4).map(|_| stay.submit((5,))).collect();
        let answered = bounded("a call", stay.call((1,)));
        tokio::task::yield_now().await;
        drop(withdrawn);
        assert_eq!(answered.await.expect("a visit").1, 1);
    }
    pool.close().await;
}

/// Calls a task in a process that may have only so many KiB of addresses.
fn visit_within(address_space_kib: u64) -> (bool, String) {
    let command = format!("ulimit -v {address_space_kib}; exec \"$0\" run \"$1\" visit");
    let output = Command::new("sh")
        .args(["-c", &command, env!("CARGO_BIN_EXE_wasmpool")])
        .arg(component(COUNTER))
        .output()
        .expect("a shell");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn where_slots_cannot_be_set_aside_sandboxes_open_without() {
    let (succeeded, stderr) = visit_within(12 << 20);
    assert!(succeeded, "{stderr}");
}

#[test]
fn where_there_is_room_for_few_sandboxes_calls_wait_for_them() {
    let command = "ulimit -v 12582912; exec \"$0\" map \"$1\" stay --isolation exclusive -c 50 -w 2 --values";
    let output = assert_cmd::Command::new("sh")
        .args(["-c", command, env!("CARGO_BIN_EXE_wasmpool")])
        .arg(component(COUNTER))
        .write_stdin("5\n".repeat(200))
        .timeout(std::time::Duration::from_secs(120))
        .output()
        .expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("200 calls: 200 done"), "{stderr}");
}

#[test]
fn where_not_even_one_sandbox_has_room_the_remedy_is_named() {
    let (succeeded, stderr) = visit_within(3 << 20);
    assert!(!succeeded && stderr.contains("raise `ulimit -v`"), "{stderr}");
    assert!(stderr.contains("cannot be instantiated"), "{stderr}");
}
