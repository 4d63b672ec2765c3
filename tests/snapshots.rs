//! Snapshots: what a function built once is there in every sandbox, and what it used does not haunt them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wasmpool::{CallError, Event, Grants, Limits, Pool, PoolBuilder, PoolError, SnapshotMaker};

use crate::guests::module;
use crate::support::{BASICS, SNAPSHOT, STATEFUL, bounded, builder, failure_of, until};

/// Everything that was told, as far as it has been heard.
pub(crate) type Told = Arc<Mutex<Vec<Event>>>;

pub(crate) async fn listened(guest: &str, workers: usize) -> (PoolBuilder, Told) {
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
pub(crate) async fn loads(pool: Pool, told: &Told) -> usize {
    closed(pool, told).await;
    lines(told).iter().filter(|line| *line == "loading").count()
}

/// Ends a pool, and waits until the listener, which is a thread of its own, has heard everything.
pub(crate) async fn closed(pool: Pool, told: &Told) {
    bounded("close", pool.close()).await;
    let is_last = |event: &Event| matches!(event, Event::PoolClosed);
    until("the last event", || told.lock().expect("no panic").last().is_some_and(is_last)).await;
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

#[tokio::test]
async fn maps_made_before_the_snapshot_work_after_it() {
    let (pool, told) = loaded("small", 2).await;
    let word = pool.task::<(String,), (Option<u32>, Option<u32>)>("word").expect("a task");
    for (known, at) in [("one", Some(0)), ("three", Some(2)), ("four", None)] {
        let found = bounded("word", word.call((known.to_owned(),))).await.expect("an answer");
        assert_eq!(found, (at, Some(99)));
    }
    assert_eq!(loads(pool, &told).await, 1);
}

#[tokio::test]
async fn a_snapshot_function_may_wait() {
    let (pool, told) = loaded("sleep", 2).await;
    let lookup = pool.task::<(u32,), Option<u64>>("lookup").expect("a task");
    assert_eq!(bounded("lookup", lookup.call((9,))).await.expect("a number"), Some(9));
    assert_eq!(loads(pool, &told).await, 1);
}

#[tokio::test]
async fn each_sandbox_changes_a_copy_of_its_own() {
    let (pool, told) = loaded("small", 1).await;
    let count = pool.task::<(), u32>("count").expect("a task");
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    for _ in 0..3 {
        for n in 1..=3 {
            assert_eq!(bounded("count", count.call(())).await.expect("a count"), n);
        }
        failure_of(bounded("spoil", spoil.call(())).await);
    }
    assert_eq!(loads(pool, &told).await, 1);
}

#[tokio::test]
async fn a_function_that_fails_says_so_in_its_own_words() {
    for (mode, words) in [
        ("err", "snapshot function `load` returned an error: cannot load: no such table"),
        ("panic", "the load panics on purpose"),
        ("random", "the same in every sandbox; seed in #[init]"),
        ("files", "no text"),
        ("hang", "deadlock"),
        ("wait", "has not ended after 300ms; raise Limits::snapshot_time"),
        ("spin", "has not ended after 300ms; raise Limits::snapshot_time"),
    ] {
        let reason = refusal(mode).await;
        assert!(reason.contains(words) && reason.contains("`load`"), "{mode}: {reason}");
    }
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_by_name() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let builders = [
        (builder(SNAPSHOT, 1, 1).await, "snapshot_args"),
        (builder(SNAPSHOT, 1, 1).await.snapshot_args((1,)), "snapshot_args"),
        (builder(SNAPSHOT, 1, 1).await.snapshot("lod", ("small",)), "snapshot"),
        (builder(SNAPSHOT, 1, 1).await.snapshot_args(("small",)).initializer("load", ("small",)), "snapshot"),
        (builder(BASICS, 1, 1).await.snapshot_args(("small",)), "snapshot_args"),
        (builder(BASICS, 1, 1).await.grants(Grants::none().dir("no/such/folder", "/data")), "grants"),
        (builder(BASICS, 1, 1).await.grants(Grants::none().dir(file.path(), "/data")), "grants"),
        (
            builder(SNAPSHOT, 1, 1)
                .await
                .snapshot_args(("small",))
                .snapshot_grants(Grants::none().dir("no/such/folder", "/data")),
            "snapshot_grants",
        ),
    ];
    for (case, (builder, name)) in builders.into_iter().enumerate() {
        match bounded("build", builder.build()).await.err() {
            Some(PoolError::BadSetting { setting, .. }) if setting == name => {}
            other => panic!("case {case}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn nothing_of_the_process_or_its_grants_is_in_a_module_that_was_made() {
    let grants = Grants::none().env("GRANTED_TO_THE_RUN", "granted-value");
    let maker = SnapshotMaker::new(module(SNAPSHOT).await).args(("small",)).grants(grants);
    let component = bounded("make", maker.make()).await.expect("made");
    let holds = |text: &str| component.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    let (key, value) = std::env::vars().find(|(_, value)| value.len() > 12).expect("a long variable");
    assert!(!holds(&format!("{key}={value}")) && !holds("granted-value"));
    assert!(holds("three"), "what was built is");
}

#[tokio::test]
async fn only_what_depends_on_the_arguments_alone_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let load_again = async |mode: &str, grants: Grants| {
        let (builder, told) = listened(SNAPSHOT, 1).await;
        let builder = builder.cache_dir(&cache).snapshot_args((mode,)).snapshot_grants(grants);
        loads(bounded("build", builder.build()).await.expect("it loads"), &told).await
    };
    let env = || Grants::none().env("A", "b");
    assert_eq!(load_again("small", Grants::none()).await, 1);
    assert_eq!(load_again("small", Grants::none()).await, 0, "it is kept");
    assert_eq!(load_again("env", Grants::none()).await, 1, "other arguments are another snapshot");
    assert_eq!(load_again("env", env()).await, 1);
    assert_eq!(load_again("env", env()).await, 1, "what was granted may have changed");
    assert_eq!(load_again("clock", Grants::none()).await, 1);
    assert_eq!(load_again("clock", Grants::none()).await, 1, "time has gone on");
    assert_eq!(std::fs::read_dir(&cache).expect("a folder").count(), 2);
}

#[tokio::test]
async fn a_kept_snapshot_that_is_damaged_or_gone_is_taken_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let entry = || first_file(&cache);
    let load_again = async || {
        let (builder, told) = listened(SNAPSHOT, 1).await;
        let pool = builder.cache_dir(&cache).snapshot_args(("small",)).build();
        loads(bounded("build", pool).await.expect("it loads"), &told).await
    };
    assert_eq!(load_again().await, 1);
    let whole = std::fs::read(entry()).expect("an entry");
    let mut turned = whole.clone();
    turned[whole.len() / 2] ^= 1;
    for damage in [&turned[..], &whole[..whole.len() / 2], b""] {
        std::fs::write(entry(), damage).expect("it is damaged");
        assert_eq!(load_again().await, 1);
        assert_eq!(load_again().await, 0);
    }
    std::fs::remove_file(entry()).expect("it is gone");
    assert_eq!(load_again().await, 1);
}

fn first_file(folder: &Path) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(folder).expect("a folder");
    files.next().expect("a file").expect("a file").path()
}

#[tokio::test]
async fn the_snapshot_of_a_deterministic_pool_sees_the_same_world_every_time() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let builder = builder(SNAPSHOT, 1, 1).await.grants(Grants::none().deterministic());
        let pool = bounded("build", builder.snapshot_args(("clock",)).build()).await.expect("it opens");
        let remembered = pool.task::<(), (String, Vec<String>)>("remembered").expect("a task");
        seen.push(bounded("a call", remembered.call(())).await.expect("what the clock said").0);
        bounded("close", pool.close()).await;
    }
    assert!(seen[0] == seen[1] && seen[0].contains("946684800"), "{seen:?}");
}

#[tokio::test]
async fn a_function_marked_for_one_time_can_be_named_for_the_other() {
    let (initialized, told) = listened(SNAPSHOT, 1).await;
    let pool = initialized.initializer("load", ("small",)).build();
    let pool = bounded("build", pool).await.expect("it opens");
    let lookup = pool.task::<(u32,), Option<u64>>("lookup").expect("a task");
    let spoil = pool.task::<(), u32>("spoil").expect("a task");
    failure_of(bounded("spoil", spoil.call(())).await);
    assert_eq!(bounded("lookup", lookup.call((7,))).await.expect("a number"), Some(7));
    assert_eq!(loads(pool, &told).await, 2, "once in each sandbox");
    let snapshot = builder(STATEFUL, 2, 4).await.snapshot("open", ("ok", 0u32)).snapshot_required(true);
    let pool = bounded("build", snapshot.build()).await.expect("it opens");
    let mode = pool.task::<(), String>("mode").expect("a task");
    assert_eq!(bounded("mode", mode.call(())).await.expect("a mode"), "ok");
    bounded("close", pool.close()).await;
}
