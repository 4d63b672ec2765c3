//! Calls that do next to nothing, so that all the time is the pool's, the engine's or the channel's: `a + b`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use wasmpool::{Pool, PoolBuilder};

use crate::bare::{Bare, Concurrency};
use crate::pooled::{block_on, json_sums, total_of, typed_sums, warming};
use crate::report::{Calls, Report, way};
use crate::subjects::{Subject, Subjects};

/// Async calls that are in flight at once, in the bare engine as in each worker.
const IN_FLIGHT: usize = 256;

/// Threads of what is native.
const NATIVE_THREADS: usize = 2;

/// Measures a sync export.
pub(crate) fn sync(subjects: &Subjects, report: &mut Report) {
    let guest = &subjects.plain;
    let bare = |concurrency| Bare::load(&guest.file, concurrency);
    let (plain, concurrent) = (bare(Concurrency::Unsupported), bare(Concurrency::Supported));
    let pool = |workers| Pool::builder(guest.module.clone()).workers(workers);
    report.measure(
        Calls::About(300_000),
        vec![
            way("bare engine", |calls| bare_sync(&plain, calls)),
            way("bare engine, 2 threads", |calls| on_two_threads(calls, |calls| bare_sync(&plain, calls))),
            way("bare engine, concurrency support", |calls| bare_sync(&concurrent, calls)),
            way("typed handle", |calls| typed_sums(pool(1), "add", calls)),
            way("typed handle, 2 workers", |calls| typed_sums(pool(2), "add", calls)),
            way("JSON handle", |calls| json_sums(pool(1), "add", calls)),
            way("native", native),
            way("native, tokio tasks", native_tasks),
        ],
    );
}

/// Measures an async export.
pub(crate) fn r#async(subjects: &Subjects, report: &mut Report) {
    let guest = &subjects.speed;
    let bare = Bare::load(&guest.file, Concurrency::Supported);
    report.measure(
        Calls::About(200_000),
        vec![
            way("bare engine", |calls| bare_async(&bare, calls)),
            way("bare engine, 2 threads", |calls| on_two_threads(calls, |calls| bare_async(&bare, calls))),
            way("typed handle", |calls| typed_sums(pool_in_flight(guest, 1), "add-async", calls)),
            way("typed handle, 2 workers", |calls| typed_sums(pool_in_flight(guest, 2), "add-async", calls)),
            way("JSON handle", |calls| json_sums(pool_in_flight(guest, 1), "add-async", calls)),
        ],
    );
}

fn pool_in_flight(guest: &Subject, workers: usize) -> PoolBuilder {
    Pool::builder(guest.module.clone()).workers(workers).concurrency(IN_FLIGHT)
}

/// One call after the other, in one store on one thread.
fn bare_sync(bare: &Bare, calls: u64) -> Duration {
    block_on(async {
        let mut opened = bare.open().await;
        let add = opened.func::<(u32, u32), (u32,)>("add");
        let store = &mut opened.store;
        let mut sum_up = async |calls: u64| {
            let mut total = 0;
            for n in 0..calls {
                let (sum,) = add.call_async(&mut *store, (n as u32, 1)).await.expect("a sum");
                total += u64::from(sum);
            }
            assert_eq!(total, total_of(calls));
        };
        sum_up(warming(calls)).await;
        let start = Instant::now();
        sum_up(calls).await;
        start.elapsed()
    })
}

/// Half of the calls on each of two threads, which share the engine, as long as the longer of them takes.
fn on_two_threads(calls: u64, make: impl Fn(u64) -> Duration + Sync) -> Duration {
    let half = || make(calls / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(half);
        half().max(other.join().expect("the calls come to their sum"))
    })
}

/// As many calls at once as a worker has, in one store on one thread.
fn bare_async(bare: &Bare, calls: u64) -> Duration {
    block_on(async {
        let mut opened = bare.open().await;
        let add = opened.func::<(u32, u32), (u32,)>("add-async");
        let measured = opened.store.run_concurrent(async |accessor| {
            let sum_up = async |calls: u64| {
                let (mut running, mut begun, mut total) = (FuturesUnordered::new(), 0, 0);
                while begun < calls || !running.is_empty() {
                    while begun < calls && running.len() < IN_FLIGHT {
                        running.push(add.call_concurrent(accessor, (begun as u32, 1)));
                        begun += 1;
                    }
                    let (sum,) = running.next().await.expect("some are running").expect("a sum");
                    total += u64::from(sum);
                }
                assert_eq!(total, total_of(calls));
            };
            sum_up(warming(calls)).await;
            let start = Instant::now();
            sum_up(calls).await;
            start.elapsed()
        });
        measured.await.expect("no call traps")
    })
}

/// What the call itself comes to in native code, without being folded into a closed form.
fn add(n: u64) -> u64 {
    u64::from(black_box(n as u32).wrapping_add(1))
}

fn native(calls: u64) -> Duration {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(NATIVE_THREADS).build().expect("two threads");
    let sum_up = |calls: u64| {
        let total: u64 = threads.install(|| (0..calls).into_par_iter().map(add).sum());
        assert_eq!(total, total_of(calls));
    };
    sum_up(warming(calls));
    let start = Instant::now();
    sum_up(calls);
    start.elapsed()
}

/// A task of the runtime's for each call.
fn native_tasks(calls: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(NATIVE_THREADS).build();
    let runtime = runtime.expect("two threads");
    let sum_up = async |calls: u64| {
        let tasks: Vec<_> = (0..calls).map(|n| tokio::spawn(async move { add(n) })).collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.expect("a sum");
        }
        assert_eq!(total, total_of(calls));
    };
    runtime.block_on(async {
        sum_up(warming(calls)).await;
        let start = Instant::now();
        sum_up(calls).await;
        start.elapsed()
    })
}
