//! From a loaded module to the first answer, where every sandbox needs a table of 8 MB that takes a while to make: from a
//! snapshot that is in the cache already, or by an initializer. How many times faster the snapshot is depends on how long
//! the table takes.

use std::time::{Duration, Instant};

use wasmpool::{Pool, PoolBuilder};

use crate::pooled::block_on;
use crate::report::{Calls, Report, way};
use crate::subjects::Subjects;
use crate::work::hash;

/// Numbers of the table, 8 bytes each.
const NUMBERS: u32 = 1_000_000;

/// Rounds of hashing that a number takes: about half a microsecond.
const ROUNDS: u32 = 128;

pub(crate) fn pool_start(subjects: &Subjects, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let module = &subjects.plain.module;
    let pool = || Pool::builder(module.clone()).workers(2);
    let table = (NUMBERS, ROUNDS);
    report.measure(
        Calls::Exactly(1),
        vec![
            // The run that warms up makes the snapshot.
            way("snapshot", |_| {
                first_answer(|| pool().snapshot("make-table", table).cache_dir(folder.path()))
            }),
            way("initializer", |_| first_answer(|| pool().initializer("make-table", table))),
        ],
    );
}

fn first_answer(begin: impl FnOnce() -> PoolBuilder) -> Duration {
    let last = NUMBERS - 1;
    let expected = hash(last, ROUNDS);
    block_on(async {
        let start = Instant::now();
        let pool = begin().build().await.expect("the pool opens");
        let lookup = pool.task::<(u32,), Option<u64>>("lookup").expect("the guest has this task");
        let found = lookup.call((last,)).await.expect("an answer");
        let took = start.elapsed();
        assert_eq!(found, Some(expected));
        pool.close().await;
        took
    })
}
