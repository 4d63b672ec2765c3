//! One call to a pool with nothing to do, and back: what matters is how fast threads wake up. A channel to another
//! thread and back is what it could be at best.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use wasmpool::Pool;

use crate::pooled::{block_on, with_pool};
use crate::report::{Calls, Report, many};
use crate::subjects::Subjects;

/// How many calls are measured before another way has its turn.
const CALLS_IN_TURN: usize = 60;

/// How long everybody has to fall asleep before a call.
const PAUSE: Duration = Duration::from_millis(2);

pub(crate) fn round_trip(subjects: &Subjects, report: &mut Report) {
    let pool = || Pool::builder(subjects.plain.module.clone()).workers(1);
    let typed = |_| {
        with_pool(pool(), async |pool| {
            let add = pool.task::<(u32, u32), u32>("add").expect("the guest has this task");
            paused_trips(async || assert_eq!(add.call((2, 3)).await.expect("a sum"), 5)).await
        })
    };
    let json = |_| {
        with_pool(pool(), async |pool| {
            let add = pool.json_task("add").expect("the guest has this task");
            paused_trips(async || assert_eq!(add.call(json!([2, 3])).await.expect("a sum"), 5)).await
        })
    };
    report.measure(
        Calls::Exactly(1),
        vec![
            many("tokio ping-pong", |_| ping_pong()),
            many("typed handle", typed),
            many("JSON handle", json),
        ],
    );
}

/// Measures some trips one by one, the first of which are left out, with a pause before each.
async fn paused_trips(trip: impl AsyncFn()) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..CALLS_IN_TURN + 5 {
        // The thread itself sleeps, as a caller's does that is not in the middle of anything.
        std::thread::sleep(PAUSE);
        let start = Instant::now();
        trip().await;
        times.push(start.elapsed());
    }
    times.split_off(5)
}

/// To a thread with a runtime of its own and back.
fn ping_pong() -> Vec<Duration> {
    let (ask, mut asked) = mpsc::unbounded_channel::<(u32, oneshot::Sender<u32>)>();
    let other = std::thread::spawn(move || {
        block_on(async {
            while let Some((n, answer)) = asked.recv().await {
                answer.send(n + 3).expect("the other side waits");
            }
        });
    });
    let times = block_on(paused_trips(async || {
        let (answer, answered) = oneshot::channel();
        ask.send((2, answer)).expect("the other side listens");
        assert_eq!(answered.await.expect("it answers"), 5);
    }));
    drop(ask);
    other.join().expect("the other side ends");
    times
}
