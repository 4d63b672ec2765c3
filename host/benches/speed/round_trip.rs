//! One call to a pool with nothing to do, and back: what matters is how fast threads wake up, and how much they have to
//! fetch from memory then, because everything has been asleep. A channel to another thread and back is what it could be at
//! best without a guest; with the bare engine's call on that thread, what it could be with one. A second call right after
//! the first tells how much of the time is fetching, mostly.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use wasmpool::Pool;

use crate::bare::{Bare, Concurrency};
use crate::pooled::{block_on, with_pool};
use crate::report::{Calls, Report, many};
use crate::subjects::Subjects;

/// How many calls are measured before another way has its turn.
const CALLS_IN_TURN: usize = 60;

/// How long everybody has to fall asleep before a call.
const PAUSE: Duration = Duration::from_millis(2);

/// Which of two calls after a pause is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measured {
    First,
    Second,
}

pub(crate) fn round_trip(subjects: &Subjects, report: &mut Report) {
    measure(Measured::First, subjects, report);
}

pub(crate) fn warm_round_trip(subjects: &Subjects, report: &mut Report) {
    measure(Measured::Second, subjects, report);
}

fn measure(measured: Measured, subjects: &Subjects, report: &mut Report) {
    let bare = Bare::load(&subjects.plain.file, Concurrency::Unsupported);
    let pool = || Pool::builder(subjects.plain.module.clone()).workers(1);
    let typed = |_| {
        with_pool(pool(), async |pool| {
            let add = pool.task::<(u32, u32), u32>("add").expect("the guest has this task");
            paused_trips(measured, async || assert_eq!(add.call((2, 3)).await.expect("a sum"), 5)).await
        })
    };
    let json = |_| {
        with_pool(pool(), async |pool| {
            let add = pool.json_task("add").expect("the guest has this task");
            paused_trips(measured, async || assert_eq!(add.call(json!([2, 3])).await.expect("a sum"), 5))
                .await
        })
    };
    report.measure(
        Calls::Exactly(1),
        vec![
            many("tokio ping-pong", |_| ping_pong(measured, async || async |(a, b)| a + b)),
            many("tokio ping-pong with the bare engine's call", |_| {
                ping_pong(measured, async || bare_add(&bare).await)
            }),
            many("typed handle", typed),
            many("JSON handle", json),
        ],
    );
}

/// Measures some trips one by one, the first of which are left out, with a pause before each, or before another that is
/// not measured.
async fn paused_trips(measured: Measured, trip: impl AsyncFn()) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..CALLS_IN_TURN + 5 {
        // The thread itself sleeps, as a caller's does that is not in the middle of anything.
        std::thread::sleep(PAUSE);
        if measured == Measured::Second {
            trip().await;
        }
        let start = Instant::now();
        trip().await;
        times.push(start.elapsed());
    }
    times.split_off(5)
}

/// To a thread with a runtime of its own, which answers as is said there, and back.
fn ping_pong<F: AsyncFnMut((u32, u32)) -> u32>(
    measured: Measured,
    begin: impl AsyncFnOnce() -> F + Send,
) -> Vec<Duration> {
    let (ask, mut asked) = mpsc::unbounded_channel::<((u32, u32), oneshot::Sender<u32>)>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            block_on(async {
                let mut add = begin().await;
                while let Some((numbers, answer)) = asked.recv().await {
                    answer.send(add(numbers).await).expect("the other side waits");
                }
            });
        });
        block_on(paused_trips(measured, async move || {
            let (answer, answered) = oneshot::channel();
            ask.send(((2, 3), answer)).expect("the other side listens");
            assert_eq!(answered.await.expect("it answers"), 5);
        }))
    })
}

/// Opens a store and returns how to call its guest.
async fn bare_add(bare: &Bare) -> impl AsyncFnMut((u32, u32)) -> u32 + use<> {
    let mut opened = bare.open().await;
    let add = opened.func::<(u32, u32), (u32,)>("add");
    async move |numbers| add.call_async(&mut opened.store, numbers).await.expect("a sum").0
}
