//! Calls that wait: all at once on the clock, and for the answers of an HTTP server in this process.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use wasmpool::{Grants, Pool, TaskModule};

use crate::bare::{Bare, Concurrency};
use crate::guests::guest;
use crate::http_server::{KEPT, serve};
use crate::pooled::{block_on, with_pool};
use crate::report::{Calls, Report, way};
use crate::subjects::{Subject, Subjects};

const CALLS: u64 = 10_000;

/// How long a call waits on the clock.
const WAIT_MS: u32 = 10;

/// Measures waits, all of them at once in one sandbox.
pub(crate) fn waits(subjects: &Subjects, report: &mut Report) {
    let bare = Bare::load(&subjects.speed.file, Concurrency::Supported);
    report.measure(
        Calls::Exactly(CALLS),
        vec![
            way("bare engine", |calls| bare_waits(&bare, calls)),
            way("typed handle", |calls| typed_waits(&subjects.speed, calls)),
        ],
    );
}

fn bare_waits(bare: &Bare, calls: u64) -> Duration {
    block_on(async {
        let mut opened = bare.open().await;
        let wait = opened.func::<(u32,), (u32,)>("wait");
        let measured = opened.store.run_concurrent(async |accessor| {
            let all = async |calls: u64| {
                let mut waits: FuturesUnordered<_> =
                    (0..calls).map(|_| wait.call_concurrent(accessor, (WAIT_MS,))).collect();
                while let Some(waited) = waits.next().await {
                    assert_eq!(waited.expect("an answer"), (WAIT_MS,));
                }
            };
            all(calls).await;
            let start = Instant::now();
            all(calls).await;
            start.elapsed()
        });
        measured.await.expect("no call traps")
    })
}

fn typed_waits(guest: &Subject, calls: u64) -> Duration {
    let builder = Pool::builder(guest.module.clone()).workers(1).concurrency(calls as usize);
    with_pool(builder, async |pool| {
        let wait = pool.task::<(u32,), u32>("wait").expect("the guest has this task");
        let all = async || {
            let mut waits = wait.map((0..calls).map(|_| WAIT_MS));
            while let Some(report) = waits.next().await {
                assert_eq!(report.value().expect("an answer"), WAIT_MS);
            }
        };
        all().await;
        let start = Instant::now();
        all().await;
        start.elapsed()
    })
}

/// Measures GET requests of 2 workers with 64 calls in flight each.
pub(crate) fn http_get(_: &Subjects, report: &mut Report) {
    let module = block_on(TaskModule::from_file(guest("fetch"))).expect("the guest loads");
    let (address, _) = serve(KEPT);
    let origin = format!("http://{address}");
    report.measure(
        Calls::Exactly(CALLS),
        vec![way("typed handle", |calls| typed_gets(&module, &origin, calls))],
    );
}

fn typed_gets(module: &TaskModule, origin: &str, calls: u64) -> Duration {
    let builder = Pool::builder(module.clone()).workers(2).concurrency(64);
    with_pool(builder.grants(Grants::none().http(origin)), async |pool| {
        let get = pool.task::<(String, String), u16>("get").expect("the guest has this task");
        let all = async |calls: u64| {
            let origin = origin.to_owned();
            let mut answers = get.starmap((0..calls).map(move |_| (origin.clone(), "/".to_owned())));
            while let Some(report) = answers.next().await {
                assert_eq!(report.value().expect("an answer"), 200);
            }
        };
        all(calls / 20).await;
        let start = Instant::now();
        all(calls).await;
        start.elapsed()
    })
}
