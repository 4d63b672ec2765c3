//! Modules that cannot be snapshotted: it is said why, and their function runs in each sandbox, unless the snapshot
//! is required. And those of any language that can.

use wasmpool::{Event, Grants, Pool, PoolBuilder, PoolError, SnapshotMaker, TaskModule};

use crate::snapshots::{Told, closed, listened, loads};
use crate::support::{SNAPSHOT, bounded, builder};

#[tokio::test]
async fn a_function_that_leaves_files_open_runs_in_each_sandbox_instead() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("text"), "open").expect("a file");
    let grants = Grants::none().dir(folder.path(), "/data");
    let (listening, told) = listened(SNAPSHOT, 1).await;
    let falling_back =
        listening.snapshot_args(("open",)).snapshot_grants(grants.clone()).grants(grants.clone());
    let pool = bounded("build", falling_back.build()).await.expect("it falls back");
    let seen = pool.task::<(), u32>("seen-by-init").expect("a task");
    assert_eq!(bounded("seen", seen.call(())).await.expect("a number"), 10, "it ran before #[init]");
    assert_eq!(loads(pool, &told).await, 2, "once for the snapshot and once in the sandbox");
    assert!(refused_with(&told).expect("it is told").contains("left files or streams open"));
    // In a sandbox without the folder it would do something else.
    let bare = builder(SNAPSHOT, 1, 1).await.snapshot_args(("open",)).snapshot_grants(grants.clone());
    let error = bounded("build", bare.build()).await.err().expect("it does not fall back");
    assert!(error.to_string().contains("grant that to sandboxes too"), "{error}");
    let builder = builder_required().await.snapshot_args(("open",)).snapshot_grants(grants);
    let error = bounded("build", builder.build()).await.err().expect("it is required");
    assert!(matches!(&error, PoolError::CannotSnapshot { .. }), "{error}");
}

async fn builder_required() -> PoolBuilder {
    builder(SNAPSHOT, 1, 1).await.snapshot_required(true)
}

fn refused_with(told: &Told) -> Option<String> {
    told.lock().expect("no panic").iter().find_map(|event| match event {
        Event::SnapshotRefused { reason, .. } => Some(reason.clone()),
        _ => None,
    })
}

/// A component whose `load` counts in a global, with something in it that no snapshot can record.
fn counting(oddity: &str, odd_code: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m
                {oddity}
                (memory (export "memory") 1)
                (global $count (mut i32) (i32.const 0))
                (func (export "odd") {odd_code})
                (func (export "load") (param $by i32)
                    (global.set $count (i32.add (global.get $count) (local.get $by))))
                (func (export "count") (result i32) (global.get $count)))
            (core instance $i (instantiate $m))
            (func (export "load") (param "by" u32) (canon lift (core func $i "load")))
            (func (export "count") (result u32) (canon lift (core func $i "count"))))"#
    );
    wat::parse_str(text).expect("a component")
}

#[tokio::test]
async fn what_the_snapshot_maker_refuses_runs_in_each_sandbox_and_says_so() {
    let table = "(table $t 1 funcref) (func $f) (elem declare func $f)";
    let cases = [
        (table, "(table.set $t (i32.const 0) (ref.func $f))", "`table.set`"),
        (table, "(drop (table.grow $t (ref.null func) (i32.const 1)))", "`table.grow`"),
        ("(data $d \"x\")", "(data.drop $d)", "`data.drop`"),
        ("(global (mut v128) (v128.const i64x2 0 0))", "", "v128"),
        ("(global (mut funcref) (ref.null func))", "", "reference type"),
    ];
    for (oddity, code, reason) in cases {
        let module = TaskModule::from_bytes(counting(oddity, code)).await.expect("it is a good module");
        let told = Told::default();
        let hear = told.clone();
        let built = Pool::builder(module.clone())
            .workers(1)
            .snapshot("load", (7,))
            .on_event(move |event| hear.lock().expect("no panic").push(event));
        let pool = bounded("build", built.build()).await.expect("it falls back");
        let count = pool.task::<(), u32>("count").expect("a task");
        assert_eq!(bounded("count", count.call(())).await.expect("a count"), 7, "{reason}");
        closed(pool, &told).await;
        let why = refused_with(&told).unwrap_or_else(|| panic!("{reason} is told"));
        assert!(why.contains(reason), "{reason}: {why}");
        let built = Pool::builder(module.clone()).workers(1).snapshot("load", (7,)).snapshot_required(true);
        let error = bounded("build", built.build()).await.err().expect("it is required").to_string();
        assert!(error.starts_with("cannot take a snapshot of module `module`: "), "{error}");
        let error = SnapshotMaker::new(module).function("load", (7,)).make().await.expect_err("none");
        assert!(matches!(&error, PoolError::CannotSnapshot { reason: why, .. } if why.contains(reason)));
    }
}

#[tokio::test]
async fn a_module_of_any_language_is_snapshotted_by_name() {
    let module = TaskModule::from_bytes(counting("", "")).await.expect("a module");
    let component = SnapshotMaker::new(module.clone()).function("load", (7,)).make().await.expect("made");
    let made = TaskModule::from_bytes(component).await.expect("it is a module");
    assert!(made.task("count").is_some());
    for pool in [Pool::builder(module).snapshot("load", (7,)), Pool::builder(made)] {
        let pool = bounded("build", pool.workers(2).build()).await.expect("it opens");
        let count = pool.task::<(), u32>("count").expect("a task");
        assert_eq!(bounded("count", count.call(())).await.expect("a count"), 7);
        bounded("close", pool.close()).await;
    }
}
