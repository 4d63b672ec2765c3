//! Bytes in and out, of three sizes. Inputs are there before the time begins, some at a time, and each way gives its own
//! away as it goes.

use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use futures::StreamExt;
use serde_json::Value;
use wasmpool::Pool;

use crate::bare::{Bare, Concurrency};
use crate::pooled::{block_on, with_pool};
use crate::report::{Calls, Report, way};
use crate::subjects::{Subject, Subjects};

/// How much of inputs is there at a time.
const BATCH_BYTES: usize = 64 << 20;

/// How many inputs are there at a time.
const BATCH_INPUTS: usize = 100_000;

pub(crate) fn echo_64(subjects: &Subjects, report: &mut Report) {
    echo(&subjects.plain, 64, Calls::About(100_000), report);
}

pub(crate) fn echo_64k(subjects: &Subjects, report: &mut Report) {
    echo(&subjects.plain, 64 << 10, Calls::About(10_000), report);
}

pub(crate) fn echo_4m(subjects: &Subjects, report: &mut Report) {
    echo(&subjects.plain, 4 << 20, Calls::About(100), report);
}

fn echo(guest: &Subject, bytes: usize, calls: Calls, report: &mut Report) {
    let bare = Bare::load(&guest.file, Concurrency::Unsupported);
    report.measure(
        calls,
        vec![
            way("bare engine", |calls| bare_echo(&bare, bytes, calls)),
            way("typed handle", |calls| typed_echo(guest, bytes, calls)),
            way("JSON handle", |calls| json_echo(guest, bytes, calls)),
        ],
    );
}

fn bare_echo(bare: &Bare, bytes: usize, calls: u64) -> Duration {
    block_on(async {
        let mut opened = bare.open().await;
        let echo = opened.func::<(Vec<u8>,), (Vec<u8>,)>("echo");
        in_batches(bytes, calls, input, async |inputs| {
            for input in inputs {
                let (output,) = echo.call_async(&mut opened.store, (input,)).await.expect("an echo");
                assert_eq!(output.len(), bytes);
            }
        })
        .await
    })
}

fn typed_echo(guest: &Subject, bytes: usize, calls: u64) -> Duration {
    with_pool(Pool::builder(guest.module.clone()).workers(1), async |pool| {
        let echo = pool.task::<(Vec<u8>,), Vec<u8>>("echo").expect("the guest has this task");
        in_batches(bytes, calls, input, async |inputs| {
            let mut outputs = echo.map(inputs);
            while let Some(report) = outputs.next().await {
                assert_eq!(report.value().expect("an echo").len(), bytes);
            }
        })
        .await
    })
}

fn json_echo(guest: &Subject, bytes: usize, calls: u64) -> Duration {
    let as_json = |bytes| Value::String(BASE64_STANDARD.encode(input(bytes)));
    let text_bytes = bytes.div_ceil(3) * 4;
    with_pool(Pool::builder(guest.module.clone()).workers(1), async |pool| {
        let echo = pool.json_task("echo").expect("the guest has this task");
        in_batches(bytes, calls, as_json, async |inputs| {
            let mut outputs = echo.map(inputs);
            while let Some(report) = outputs.next().await {
                let output = report.value().expect("an echo");
                assert_eq!(output.as_str().expect("base64").len(), text_bytes);
            }
        })
        .await
    })
}

fn input(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| place as u8).collect()
}

/// Makes inputs and gives them away, a bounded number at a time; returns how long the giving took, after a first batch
/// that warms up.
async fn in_batches<T>(
    bytes: usize,
    calls: u64,
    make: impl Fn(usize) -> T,
    mut give: impl AsyncFnMut(Vec<T>),
) -> Duration {
    let at_most = (BATCH_BYTES / bytes).min(BATCH_INPUTS);
    let mut give = async |inputs: usize| {
        let inputs: Vec<T> = (0..inputs).map(|_| make(bytes)).collect();
        let start = Instant::now();
        give(inputs).await;
        start.elapsed()
    };
    give(at_most.div_ceil(10)).await;
    let (mut left, mut took) = (calls as usize, Duration::ZERO);
    while left > 0 {
        let batch = left.min(at_most);
        took += give(batch).await;
        left -= batch;
    }
    took
}
