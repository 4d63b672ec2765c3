//! Ways to make calls that go through a pool: it is built, warmed up, measured and closed, each time anew.

use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};
use wasmpool::{Pool, PoolBuilder, Task};

/// Runs a future on a runtime of its own, on this thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// Returns how many calls warm up before so many are measured.
pub(crate) fn warming(calls: u64) -> u64 {
    (calls / 20).max(1)
}

/// Builds a pool, has it used, and closes it.
pub(crate) fn with_pool<T>(builder: PoolBuilder, used: impl AsyncFnOnce(&Pool) -> T) -> T {
    block_on(async {
        let pool = builder.build().await.expect("the pool opens");
        let result = used(&pool).await;
        pool.close().await;
        result
    })
}

/// Has so many pairs of numbers added up by static types.
pub(crate) fn typed_sums(builder: PoolBuilder, task: &str, calls: u64) -> Duration {
    with_pool(builder, async |pool| {
        let add = pool.task::<(u32, u32), u32>(task).expect("the guest has this task");
        add_typed(&add, warming(calls)).await;
        let start = Instant::now();
        add_typed(&add, calls).await;
        start.elapsed()
    })
}

/// Has so many pairs of numbers added up by JSON.
pub(crate) fn json_sums(builder: PoolBuilder, task: &str, calls: u64) -> Duration {
    with_pool(builder, async |pool| {
        let add = pool.json_task(task).expect("the guest has this task");
        add_json(&add, warming(calls)).await;
        let start = Instant::now();
        add_json(&add, calls).await;
        start.elapsed()
    })
}

async fn add_typed(add: &Task<(u32, u32), u32>, calls: u64) {
    let mut sums = add.starmap((0..calls).map(|n| (n as u32, 1)));
    let mut total = 0;
    while let Some(report) = sums.next().await {
        total += u64::from(report.value().expect("a sum"));
    }
    assert_eq!(total, total_of(calls));
}

async fn add_json(add: &Task<Value, Value, Value>, calls: u64) {
    let mut sums = add.map((0..calls).map(|n| json!([n as u32, 1])));
    let mut total = 0;
    while let Some(report) = sums.next().await {
        total += report.value().expect("a sum").as_u64().expect("a number");
    }
    assert_eq!(total, total_of(calls));
}

/// Returns what the sums of 0 and 1, 1 and 1, 2 and 1 and so on come to.
pub(crate) fn total_of(calls: u64) -> u64 {
    calls * (calls + 1) / 2
}
