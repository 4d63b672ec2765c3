//! Snapshots: what a function built once is there in every sandbox, what it used does not haunt them, and where
//! there can be none that is said and done without.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wasmpool::{CallError, Event, Grants, Limits, Pool, PoolBuilder, PoolError, SnapshotMaker, TaskModule};

use crate::guests::module;
use crate::support::{BASICS, SNAPSHOT, bounded, builder, failure_of};

/// Everything that was told, as far as it has been heard.
type Told = Arc<Mutex<Vec<Event>>>;

async fn listened(guest: &str, workers: usize) -> (PoolBuilder, Told) {
    let told = Told::default();
    let hear = told.clone();
    let builder = builder(guest, workers, 4).await;
    (builder.on_event(move |event| hear.lock().expect("no panic").push(event)), told)
}

/// A pool over the guest in a mode, and what is told.
async fn loaded(mode: &str, workers: usize) -> (Pool, Told) {
    let (builder, told) = listened(SNAPSHOT, workers).await;
    (bounded("build", builder.snapshot_args((mode,)).build()).await.expect("it loads"), told)
}

/// How often the snapshot function ran in a pool, which ends.
async fn loads(pool: Pool, told: &Told) -> usize {
    bounded("close", pool.close()).await;
    lines(told).iter().filter(|line| *line == "loading").count()
}

fn lines(told: &Told) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::GuestLine { attempt: None, text, .. } => Some(text.clone()),
        _ => None,
    };
    told.lock().expect("no panic").iter().filter_map(line).collect()
}

/// Why `build` fails over the guest in a mode.
async fn refusal(mode: &str) -> String {
    let limits = Limits::default().snapshot_time(Duration::from_millis(300));
    let built = builder(SNAPSHOT, 1, 1).await.snapshot_args((mode,)).limits(limits).build();
    match bounded("build", built).await.err() {
        Some(PoolError::CannotSnapshot { module, reason }) if module == "guest_snapshot" => reason,
        other => panic!("{mode}: {other:?}"),
    }
}

#[tokio::test]
async fn a_table_that_was_loaded_once_is_in_every_sandbox() {
    let (pool, told) = loaded("table", 4).await;
    let lookup = pool.task::<(u32,), Option<u64>>("lookup").expect("a task");
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    for _ in 0..3 {
        let answers = (0..64).map(|n| lookup.submit((n * 16_384,)));
        for (n, answer) in answers.collect::<Vec<_>>().into_iter().enumerate() {
            let n = n as u64 * 16_384;
            assert_eq!(bounded("lookup", answer).await.expect("a number"), Some(n * n));
        }
        failure_of(bounded("spoil", spoil.call(())).await);
    }
    let seen = pool.task::<(), u32>("seen-by-init").expect("a task");
    assert_eq!(bounded("seen", seen.call(())).await.expect("a number"), 1 << 20, "#[init] has the table");
    let Err(PoolError::UnknownTask(_)) = pool.json_task("load") else { panic!("it is no task any more") };
    assert_eq!(loads(pool, &told).await, 1);
}

#[tokio::test]
async fn what_was_used_for_the_snapshot_works_in_tasks_again() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("text"), "from the file").expect("a file");
    let grants = Grants::none().dir(folder.path(), "/data").env("SECRET", "only once");
    let (builder, told) = listened(SNAPSHOT, 2).await;
    let builder = builder.snapshot_args(("files",)).snapshot_grants(grants);
    let pool = builder.grants(Grants::none().dir(folder.path(), "/data").env("OTHER", "now")).build();
    let pool = bounded("build", pool).await.expect("it loads");
    let remembered = pool.json_task("remembered").expect("a task");
    let answer = bounded("remembered", remembered.call(serde_json::json!([]))).await.expect("a text");
    assert_eq!(answer, serde_json::json!(["from the file", []]));
    let say = pool.task::<(String,), ()>("say").expect("a task");
    bounded("say", say.call(("after".to_owned(),))).await.expect("it prints");
    let read = pool.task::<(String,), String>("read").expect("a task");
    let text = bounded("read", read.call(("/data/text".to_owned(),))).await.expect("it reads");
    assert_eq!(text, "from the file");
    let missing = bounded("read", read.call(("/data/none".to_owned(),))).await;
    assert!(matches!(missing, Err(CallError::Returned(_))), "{missing:?}");
    let variable = pool.task::<(String,), Option<String>>("variable").expect("a task");
    let now = bounded("variable", variable.call(("OTHER".to_owned(),))).await.expect("an answer");
    assert_eq!(now.as_deref(), Some("now"));
    let once = bounded("variable", variable.call(("SECRET".to_owned(),))).await.expect("an answer");
    assert_eq!(once, None, "what the snapshot was granted is not what tasks are granted");
    let random = pool.task::<(), u64>("random").expect("a task");
    bounded("random", random.call(())).await.expect("secure random numbers are fine here");
    let failure = failure_of(bounded("spoil", pool.task::<(), u32>("spoil").expect("a task").call(())).await);
    assert!(failure.message().contains("spoiled on purpose"), "{failure}");
    assert_eq!(loads(pool, &told).await, 1);
    assert!(lines(&told).contains(&"half a line".to_owned()), "{:?}", lines(&told));
}
