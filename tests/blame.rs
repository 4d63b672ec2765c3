//! Who is told of a trap: the call that did it, and nobody else. Its neighbours lose their sandbox and are run
//! again; no call is lost, counted twice or told a story about somebody else.

use fastrand::Rng;
use futures::StreamExt;
use wasmpool::{Failure, Outcome};

use crate::support::{BASICS, basics, bounded, builder, failure_of, trap_of};

const NEVER: u32 = u32::MAX;

#[tokio::test]
async fn one_panic_among_two_hundred_calls_fails_one_call() {
    let pool = basics(1, 16).await;
    let boom_at = pool.task::<(u32, u32), u32>("boom-at").expect("a task");
    let reports: Vec<_> = bounded("the map", boom_at.starmap((0..200).map(|n| (n, 50))).collect()).await;
    assert_eq!(reports.len(), 200);
    let mut interrupted = 0;
    for report in &reports {
        assert_eq!(report.attempts, 1, "call {} ended by itself once", report.index);
        interrupted += report.interruptions;
        if report.index == 50 {
            let trap = trap_of(&report.outcome);
            assert!(trap.message.contains("boom at 50"), "{}", trap.message);
            assert!(has_place(&trap.message), "{}", trap.message);
            assert!(trap.backtrace.iter().any(|frame| frame.contains("boom_at")), "{:#?}", trap.backtrace);
            assert_eq!(report.interruptions, 0, "nobody interrupted the culprit");
        } else {
            assert!(
                matches!(report.outcome, Outcome::Completed(n) if n as usize == report.index),
                "{report:?}"
            );
        }
    }
    assert!((1..=15).contains(&interrupted), "the neighbours of one trap: {interrupted}");
    pool.close().await;
}

/// Returns true if a message names a line of the guest's source: `lib.rs:LINE:`.
fn has_place(message: &str) -> bool {
    let Some((_, place)) = message.split_once("lib.rs:") else { return false };
    place.chars().next().is_some_and(|c| c.is_ascii_digit())
}

/// A pool for many small rounds of random calls; returns how many rounds went well.
async fn rounds(seed: u64, rounds: usize, workers: usize, concurrency: usize) {
    let mut rng = Rng::with_seed(seed);
    let pool = basics(workers, concurrency).await;
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    for round in 0..rounds {
        let story = format!("seed {seed}, round {round}, {workers} workers of {concurrency}");
        // A trap costs more than all the rest, so most rounds have one or none, and some have many.
        let odds = 8 << rng.u32(0..4);
        let calls: Vec<(u32, u32, bool, u32)> =
            (0..rng.u32(2..20)).map(|n| (n, rng.u32(0..3), rng.u32(0..odds) == 0, rng.u32(0..3))).collect();
        let reports: Vec<_> = bounded(&story, boom_if.starmap(calls.clone()).collect()).await;
        assert_eq!(reports.len(), calls.len(), "{story}");
        for (report, (n, _, goes_wrong, _)) in reports.iter().zip(&calls) {
            assert_eq!(report.attempts, 1, "{story}: {report:?}");
            match &report.outcome {
                Outcome::Completed(answer) => assert!(answer == n && !goes_wrong, "{story}: {report:?}"),
                outcome => {
                    assert!(goes_wrong, "{story}: call {n} is innocent: {report:?}");
                    let trap = trap_of(outcome);
                    assert!(trap.message.contains(&format!("boom of {n}")), "{story}: {}", trap.message);
                }
            }
        }
    }
    bounded("close", pool.close()).await;
}

/// A thousand rounds in all; each prints its seed when it fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_panics_never_hang_a_call_and_never_blame_another() {
    let seed = fastrand::u64(..);
    tokio::join!(
        rounds(seed, 300, 1, 16),
        rounds(seed ^ 1, 300, 2, 4),
        rounds(seed ^ 2, 300, 2, 16),
        rounds(seed ^ 3, 100, 4, 1),
    );
}

#[tokio::test]
async fn a_trap_in_every_call_is_told_to_every_call() {
    let pool = basics(2, 16).await;
    let boom_at = pool.task::<(u32, u32), u32>("boom-at").expect("a task");
    let reports: Vec<_> = bounded("the map", boom_at.starmap((0..100).map(|n| (n, n))).collect()).await;
    for report in reports {
        let trap = trap_of(&report.outcome);
        assert!(trap.message.contains(&format!("boom at {}", report.index)), "{}", trap.message);
        assert_eq!(report.attempts, 1);
        assert!(report.interruptions <= 3, "alone after three: {report:?}");
    }
    pool.close().await;
}

#[tokio::test]
async fn work_left_over_from_an_answered_call_harms_no_innocent() {
    let pool = basics(1, 16).await;
    let boom_at = pool.task::<(u32, u32), u32>("boom-at").expect("a task");
    let linger = pool.task::<(u32,), u32>("linger").expect("a task");
    let sleepers = boom_at.starmap((0..60).map(|n| (n, NEVER)));
    // Every third one's left-over work panics soon, the others' not before this test is over.
    let lingerers = linger.map((0..30).map(|n| if n % 3 == 0 { n % 5 } else { 3_600_000 }));
    let (slept, lingered) = bounded("both maps", async {
        tokio::join!(sleepers.collect::<Vec<_>>(), lingerers.collect::<Vec<_>>())
    })
    .await;
    for report in slept {
        assert!(matches!(report.outcome, Outcome::Completed(n) if n as usize == report.index), "{report:?}");
    }
    for report in lingered {
        match &report.outcome {
            Outcome::Completed(_) => {}
            // Run alone, one may be hit by its own left-over work before its answer is out.
            outcome => assert!(report.index % 3 == 0, "innocent: {outcome:?}"),
        }
    }
    pool.close().await;
}

#[tokio::test]
async fn an_exit_in_the_middle_ends_one_call() {
    let pool = basics(1, 16).await;
    let boom_at = pool.task::<(u32, u32), u32>("boom-at").expect("a task");
    let exit = pool.task::<(i32,), ()>("exit").expect("a task");
    let before: Vec<_> = (0..8).map(|n| boom_at.submit((n, NEVER))).collect();
    let failures = [exit.submit((0,)), exit.submit((3,))];
    let after: Vec<_> = (8..20).map(|n| boom_at.submit((n, NEVER))).collect();
    for exit in failures {
        let failure = failure_of(bounded("an exit", exit).await);
        assert!(failure.message().contains("called exit with status"), "{failure}");
    }
    for (n, call) in before.into_iter().chain(after).enumerate() {
        assert_eq!(bounded("a neighbour", call).await.expect("innocent") as usize, n);
    }
    pool.close().await;
}

#[tokio::test]
async fn a_stack_overflow_ends_one_call_and_is_called_by_its_name() {
    let pool = basics(1, 16).await;
    let boom_at = pool.task::<(u32, u32), u32>("boom-at").expect("a task");
    let overflow = pool.task::<(u64,), u64>("overflow").expect("a task");
    let neighbours: Vec<_> = (0..8).map(|n| boom_at.submit((n, NEVER))).collect();
    let Failure::Trapped(trap) = failure_of(bounded("the overflow", overflow.call((0,))).await) else {
        panic!("an overflow is a trap")
    };
    assert!(trap.message.contains("stack"), "{}", trap.message);
    for (n, call) in neighbours.into_iter().enumerate() {
        assert_eq!(bounded("a neighbour", call).await.expect("innocent") as usize, n);
    }
    pool.close().await;
}

#[tokio::test]
async fn sync_tasks_that_panic_are_told_of_their_own_panic() {
    let pool = builder(crate::support::SYNC_ONLY, 2, 1).await.build().await.expect("the guest opens");
    let boom = pool.task::<(String,), u32>("boom").expect("a task");
    let count = pool.task::<(), u32>("count").expect("a task");
    for n in 0..20 {
        let (failed, counted) =
            bounded("both", async { tokio::join!(boom.call((format!("bang {n}"),)), count.call(())) }).await;
        let message = failure_of(failed).message();
        assert!(message.ends_with(&format!("bang {n}")), "{message}");
        counted.expect("counting harms nobody");
    }
    pool.close().await;
}

#[tokio::test]
async fn a_call_that_is_withdrawn_while_its_neighbour_traps_is_withdrawn() {
    let pool = builder(BASICS, 1, 16).await.build().await.expect("the guest opens");
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    let hang = pool.task::<(), ()>("hang").expect("a task");
    let mut rng = Rng::with_seed(7);
    for _ in 0..100 {
        let mut hanging: Vec<_> = (0..6).map(|_| hang.submit(())).collect();
        let culprit = boom_if.submit((0, rng.u32(0..3), true, 0));
        let innocent = boom_if.submit((1, rng.u32(0..3), false, rng.u32(0..3)));
        let withdrawing = tokio::spawn(async move {
            while let Some(handle) = hanging.pop() {
                handle.cancel();
                let failure = failure_of(bounded("a cancelled call", handle).await);
                assert!(matches!(failure, Failure::Cancelled), "{failure}");
                tokio::task::yield_now().await;
            }
        });
        assert!(matches!(failure_of(bounded("the culprit", culprit).await), Failure::Trapped(_)));
        assert_eq!(bounded("the innocent", innocent).await.expect("innocent"), 1);
        withdrawing.await.expect("all were withdrawn");
    }
    assert_eq!(pool.stats().permits_free, 64);
    pool.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_the_host_needs_to_read_a_traps_backtrace_is_nobodys() {
    let limit = std::time::Duration::from_millis(150);
    let pool = builder(BASICS, 1, 8).await.isolation(wasmpool::Isolation::Exclusive).attempt_timeout(limit);
    let pool = pool.build().await.expect("the guest opens");
    let boom_if = pool.task::<(u32, u32, bool, u32), u32>("boom-if").expect("a task");
    for _ in 0..5 {
        let calls: Vec<_> = (0..6).map(|n| boom_if.submit((n, 1, n % 3 == 1, 1))).collect();
        for (n, call) in (0..).zip(calls) {
            match bounded("a call", call).await {
                Ok(value) => assert!(value == n && n % 3 != 1),
                failed => assert!(n % 3 == 1 && failure_of(failed).kind() == "trapped", "call {n}"),
            }
        }
    }
    bounded("close", pool.close()).await;
}
