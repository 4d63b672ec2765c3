//! A sandbox of its own for each call, on an engine without concurrency support, as the guest needs none.

use std::time::{Duration, Instant};

use wasmpool::{Isolation, Pool};

use crate::bare::{Bare, Concurrency};
use crate::pooled::{block_on, total_of, typed_sums, warming};
use crate::report::{Calls, Report, way};
use crate::subjects::Subjects;

pub(crate) fn fresh(subjects: &Subjects, report: &mut Report) {
    let guest = &subjects.plain;
    let bare = Bare::load(&guest.file, Concurrency::Unsupported);
    let pool = || Pool::builder(guest.module.clone()).workers(1).isolation(Isolation::Fresh);
    report.measure(
        Calls::About(4_000),
        vec![
            way("bare engine", |calls| bare_fresh(&bare, calls)),
            way("typed handle", |calls| typed_sums(pool(), "add", calls)),
        ],
    );
}

fn bare_fresh(bare: &Bare, calls: u64) -> Duration {
    block_on(async {
        sum_up(bare, warming(calls)).await;
        let start = Instant::now();
        sum_up(bare, calls).await;
        start.elapsed()
    })
}

async fn sum_up(bare: &Bare, calls: u64) {
    let mut total = 0;
    for n in 0..calls {
        let mut opened = bare.open().await;
        let add = opened.func::<(u32, u32), (u32,)>("add");
        let (sum,) = add.call_async(&mut opened.store, (n as u32, 1)).await.expect("a sum");
        total += u64::from(sum);
    }
    assert_eq!(total, total_of(calls));
}
