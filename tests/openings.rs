//! Initializers and snapshot functions that fail at the first, at the third, or at every opening from then on, in
//! every way there is: the promised error, no hang, no crash loop. A file that the guest appends to counts openings.

use std::path::Path;
use std::time::Duration;

use wasmpool::{Failure, Grants, Isolation, Limits, Pool, PoolError};

use crate::support::{SNAPSHOT, STATEFUL, bounded, builder, failure_of};

/// The ways to fail, with what is said about each.
const WAYS: [(&str, &str); 4] = [
    ("err", "no session in mode err"),
    ("panic", "the session panics on purpose"),
    ("hang", "deadlock"),
    ("spin", "not open after 300ms"),
];

const ISOLATIONS: [Isolation; 3] = [Isolation::Shared, Isolation::Exclusive, Isolation::Fresh];

/// A pool whose sandboxes serve one call each, and whose initializer counts in `folder`.
async fn pool(folder: &Path, mode: &str, isolation: Isolation) -> Result<Pool, PoolError> {
    let builder = builder(STATEFUL, 1, 1).await.init_args((mode, 0)).isolation(isolation).recycle_after(1);
    let builder = builder.grants(Grants::none().dir_writable(folder, "/count"));
    let limits = Limits::default().opening_time(Duration::from_millis(300));
    bounded("build", builder.limits(limits).build()).await
}

#[tokio::test]
async fn at_the_first_opening_the_build_fails_with_the_guests_words() {
    for (way, words) in WAYS {
        let folder = tempfile::tempdir().expect("a folder");
        let error = pool(folder.path(), &format!("1 {way}"), Isolation::Shared).await.err();
        let Some(PoolError::CannotOpen { reason, .. }) = error else { panic!("{way}: {error:?}") };
        assert!(reason.contains(words) && reason.contains("`open`"), "{way}: {reason}");
    }
}

#[tokio::test]
async fn at_the_third_opening_alone_nobody_notices() {
    for (way, _) in WAYS {
        for isolation in ISOLATIONS {
            let folder = tempfile::tempdir().expect("a folder");
            let pool = pool(folder.path(), &format!("3 {way}"), isolation).await.expect("the first opens");
            let count = pool.task::<(), u32>("count").expect("a task");
            for _ in 0..6 {
                let count = bounded("a call", count.call(())).await;
                assert_eq!(count.expect("a count"), 1, "{way}, {isolation:?}");
            }
            assert_eq!(pool.stats().sandboxes_not_opened, 1, "{way}, {isolation:?}");
            pool.close().await;
        }
    }
}

#[tokio::test]
async fn from_the_third_opening_on_every_caller_hears_why_and_nothing_loops() {
    for (way, words) in WAYS {
        for isolation in ISOLATIONS {
            let folder = tempfile::tempdir().expect("a folder");
            let pool = pool(folder.path(), &format!("3.. {way}"), isolation).await.expect("the first opens");
            let count = pool.task::<(), u32>("count").expect("a task");
            for _ in 0..2 {
                bounded("a call", count.call(())).await.expect("a count");
            }
            for _ in 0..3 {
                let failure = failure_of(bounded("a call", count.call(())).await);
                let Failure::NotStarted { reason } = failure else {
                    panic!("{way}, {isolation:?}: {failure}")
                };
                assert!(reason.contains(words), "{way}, {isolation:?}: {reason}");
            }
            // Three for the first caller, one for each of the others.
            assert_eq!(pool.stats().sandboxes_not_opened, 5, "{way}, {isolation:?}");
            pool.close().await;
        }
    }
}

#[tokio::test]
async fn a_snapshot_function_that_runs_in_each_sandbox_may_fail_there_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let grants = Grants::none().dir_writable(folder.path(), "/data");
    // It leaves a file open, so there is no snapshot: the first run is for that, the second in the first sandbox.
    let builder = builder(SNAPSHOT, 1, 1).await.snapshot_args(("open until third",)).recycle_after(1);
    let pool = builder.snapshot_grants(grants.clone()).grants(grants).build();
    let pool = bounded("build", pool).await.expect("the second run goes well");
    let lookup = pool.task::<(u32,), Option<u64>>("lookup").expect("a task");
    assert_eq!(bounded("a call", lookup.call((7,))).await.expect("a number"), Some(7));
    let failure = failure_of(bounded("a call", lookup.call((7,))).await);
    let Failure::NotStarted { reason } = failure else { panic!("{failure}") };
    assert!(reason.contains("snapshot function `load` returned an error: no third table"), "{reason}");
    pool.close().await;
}
