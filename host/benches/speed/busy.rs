//! Calls that compute for about a millisecond: what the sandbox makes of code, and what a second worker is worth.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures::StreamExt;
use wasmpool::Pool;

use crate::bare::{Bare, Concurrency};
use crate::pooled::{block_on, with_pool};
use crate::report::{Calls, Report, way};
use crate::subjects::{Subject, Subjects};
use crate::work::busy;

pub(crate) fn busy_1ms(subjects: &Subjects, report: &mut Report) {
    let guest = &subjects.plain;
    let rounds = rounds_in_a_millisecond();
    println!("  a call is {rounds} rounds");
    let bare = Bare::load(&guest.file, Concurrency::Unsupported);
    report.measure(
        Calls::About(300),
        vec![
            way("native", |calls| native(rounds, calls)),
            way("bare engine", |calls| bare_busy(&bare, rounds, calls)),
            way("typed handle", |calls| typed_busy(guest, 1, rounds, calls)),
            way("typed handle, 2 workers", |calls| typed_busy(guest, 2, rounds, calls)),
        ],
    );
}

fn rounds_in_a_millisecond() -> u64 {
    const TRIED: u64 = 1_000_000;
    // The quickest of some, since others may have had the processor in between.
    let took = (0..20).map(|_| time_of(TRIED)).min().expect("some were tried");
    (TRIED as f64 / (took.as_secs_f64() * 1_000.0)) as u64
}

fn time_of(rounds: u64) -> Duration {
    let start = Instant::now();
    black_box(busy(black_box(rounds)));
    start.elapsed()
}

fn native(rounds: u64, calls: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(busy(black_box(rounds)));
    }
    start.elapsed()
}

fn bare_busy(bare: &Bare, rounds: u64, calls: u64) -> Duration {
    let expected = busy(rounds);
    block_on(async {
        let mut opened = bare.open().await;
        let busy = opened.func::<(u64,), (u64,)>("busy");
        let start = Instant::now();
        for _ in 0..calls {
            let (end,) = busy.call_async(&mut opened.store, (rounds,)).await.expect("a number");
            assert_eq!(end, expected);
        }
        start.elapsed()
    })
}

fn typed_busy(guest: &Subject, workers: usize, rounds: u64, calls: u64) -> Duration {
    let expected = busy(rounds);
    with_pool(Pool::builder(guest.module.clone()).workers(workers), async |pool| {
        let busy = pool.task::<(u64,), u64>("busy").expect("the guest has this task");
        let all = async |calls: u64| {
            let mut ends = busy.map((0..calls).map(move |_| rounds));
            while let Some(report) = ends.next().await {
                assert_eq!(report.value().expect("a number"), expected);
            }
        };
        // So that every worker has its sandbox.
        all(10).await;
        let start = Instant::now();
        all(calls).await;
        start.elapsed()
    })
}
