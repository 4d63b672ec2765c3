//! What is granted of folders, and all ways out of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use wasmpool::{CallError, Event, Failure, Grants, Limits, Pool, Stage};

use crate::support::{GRANTS, bounded, builder, find_event, until};

const MS: Duration = Duration::from_millis(1);

const SECRET: &str = "not for guests";

struct House {
    dir: TempDir,
}

impl House {
    /// A folder to be granted beside a file that is not.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("granted")).expect("a folder");
        fs::write(dir.path().join("granted/inside"), "for guests").expect("a file");
        fs::write(dir.path().join("secret"), SECRET).expect("a file");
        House { dir }
    }

    fn granted(&self) -> std::path::PathBuf {
        self.dir.path().join("granted")
    }

    fn secret(&self) -> std::path::PathBuf {
        self.dir.path().join("secret")
    }
}

async fn pool(grants: Grants) -> Pool {
    builder(GRANTS, 1, 1).await.grants(grants).build().await.expect("the guest opens")
}

async fn read(pool: &Pool, path: &str) -> Result<String, String> {
    let task = pool.task_with_error::<(String,), String, String>("read-text").expect("a task");
    task.call((path.to_owned(),)).await.map_err(|error| error.to_string())
}

async fn change(pool: &Pool, task: &str, one: &str, other: &str) -> Result<(), String> {
    let task = pool.task_with_error::<(String, String), (), String>(task).expect("a task");
    task.call((one.to_owned(), other.to_owned())).await.map_err(|error| error.to_string())
}

#[cfg(unix)]
fn link(to: impl AsRef<Path>, at: impl AsRef<Path>) {
    std::os::unix::fs::symlink(to, at).expect("a link");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_link_and_no_path_leads_out() {
    let house = House::new();
    link(house.secret(), house.granted().join("absolute"));
    link("../secret", house.granted().join("relative"));
    link("..", house.granted().join("up"));
    let pool = pool(Grants::none().dir_writable(house.granted(), "/in")).await;
    assert_eq!(read(&pool, "/in/inside").await.as_deref(), Ok("for guests"));
    let made = house.secret();
    // Whether such a link may be made or not, nothing is read through it.
    let _ = change(&pool, "soft-link", made.to_str().expect("UTF-8"), "/in/made").await;
    let _ = change(&pool, "soft-link", "../secret", "/in/made-too").await;
    let _ = change(&pool, "hard-link", "/in/../secret", "/in/hard").await;
    let _ = change(&pool, "hard-link", "/in/up/secret", "/in/hard-too").await;
    let absolute = house.secret().display().to_string();
    for way in [
        "/in/absolute",
        "/in/relative",
        "/in/up/secret",
        "/in/../secret",
        "/in/./../secret",
        "/secret",
        &absolute,
        "/in/made",
        "/in/made-too",
        "/in/hard",
        "/in/hard-too",
        "/in/up/granted/../secret",
    ] {
        let answer = read(&pool, way).await;
        assert!(answer.is_err(), "{way}: {answer:?}");
    }
    change(&pool, "write-text", "/in/relative", "changed").await.expect_err("a link out");
    change(&pool, "move-file", "/in/inside", "/in/up/taken").await.expect_err("a move out");
    assert_eq!(fs::read_to_string(house.secret()).expect("a file"), SECRET);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_turns_into_a_link_meanwhile_leads_nowhere_else() {
    let house = House::new();
    let (turning, real, out) =
        (house.granted().join("d"), house.granted().join("real"), house.granted().join("out"));
    fs::create_dir(&real).expect("a folder");
    fs::write(real.join("secret"), "for guests").expect("a file");
    link(house.dir.path(), &out);
    let pool = pool(Grants::none().dir(house.granted(), "/in")).await;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for which in [&real, &out] {
                    // At every moment `d` is the one or the other, or not there.
                    fs::rename(which, &turning).expect("a move");
                    fs::rename(&turning, which).expect("a move");
                }
            }
        });
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for _ in 0..500 {
                    let answer = read(&pool, "/in/d/secret").await;
                    assert!(answer.as_deref() != Ok(SECRET));
                }
            });
        });
        is_over.store(true, Ordering::Relaxed);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_in_a_read_only_folder_are_denied_by_name_of_the_flag() {
    let house = House::new();
    let pool = pool(Grants::none().dir(house.granted(), "/in")).await;
    let flag = format!("`--dir {}::/in:rw`", house.granted().display());
    for (task, one, other) in [
        ("write-text", "/in/new", "x"),
        ("write-text", "/in/inside", "x"),
        ("move-file", "/in/inside", "/in/moved"),
        ("hard-link", "/in/inside", "/in/link"),
        ("soft-link", "inside", "/in/link"),
        ("change-opened", "set-size", "/in/inside"),
        ("change-opened", "set-times", "/in/inside"),
        ("change-opened", "set-times-at", "/in/inside"),
        ("change-p3", "create-directory-at", "inside"),
        ("change-p3", "link-at", "inside"),
        ("change-p3", "remove-directory-at", "inside"),
        ("change-p3", "rename-at", "inside"),
        ("change-p3", "set-size", "inside"),
        ("change-p3", "set-times", "inside"),
        ("change-p3", "set-times-at", "inside"),
        ("change-p3", "symlink-at", "inside"),
        ("change-p3", "unlink-file-at", "inside"),
    ] {
        let denied = change(&pool, task, one, other).await.expect_err("read-only");
        assert!(denied.contains(&flag), "{task} {one}: {denied}");
    }
    let names = fs::read_dir(house.granted()).expect("a folder").count();
    assert_eq!(
        (names, fs::read_to_string(house.granted().join("inside")).expect("a file").as_str()),
        (1, "for guests")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_open_file_does_not_allow_is_not_said_of_a_folder_that_may_be_changed() {
    let house = House::new();
    let pool = pool(Grants::none().dir_writable(house.granted(), "/in")).await;
    let refused = change(&pool, "change-opened", "set-size", "/in/inside").await.expect_err("open to read");
    assert!(!refused.contains("--dir"), "{refused}");
}

/// A pipe that nobody writes to: who opens it to read waits until this opens it to write.
#[cfg(unix)]
fn pipe(house: &House) -> std::path::PathBuf {
    let path = house.granted().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().expect("the command is there");
    assert!(made.success());
    path
}

#[cfg(unix)]
fn open_to_write(pipe: &Path) -> fs::File {
    fs::OpenOptions::new().write(true).open(pipe).expect("somebody reads")
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_file_the_old_way_is_out_of_time_alone() {
    let house = House::new();
    let pipe = pipe(&house);
    let grants = Grants::none().dir(house.granted(), "/in");
    let limits = Limits::default().attempt_timeout(MS * 400).drain_limit(MS * 100);
    let pool = builder(GRANTS, 1, 8).await.grants(grants).limits(limits).build().await.expect("opens");
    let nap = pool.task::<(u32,), u32>("nap").expect("a task");
    let read = pool.task_with_error::<(String,), String, String>("read-text").expect("a task");
    let neighbours: Vec<_> = (0..4).map(|_| nap.submit((50,))).collect();
    let reader = read.submit(("/in/pipe".to_owned(),));
    let later: Vec<_> = (0..4).map(|_| nap.submit((50,))).collect();
    match bounded("the reader", reader).await {
        Err(CallError::Failed(Failure::TimedOut(timed_out))) => assert_eq!(timed_out.stage, Stage::Running),
        other => panic!("{other:?}"),
    }
    for neighbour in neighbours.into_iter().chain(later) {
        assert_eq!(bounded("a neighbour", neighbour).await.expect("not its fault"), 50);
    }
    open_to_write(&pipe);
    bounded("close", pool.close()).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_opens_after_its_calls_end_opens_for_nobody() {
    let house = House::new();
    let pipe = pipe(&house);
    let grants = Grants::none().dir_writable(house.granted(), "/in");
    let pool = builder(GRANTS, 1, 8).await.grants(grants).build().await.expect("opens");
    let open = pool.task_with_error::<(String, String), (), String>("open-then-make-p3").expect("a task");
    let late = open.with_timeout(MS * 50).submit(("pipe".to_owned(), "too-late".to_owned()));
    assert!(matches!(bounded("a call", late).await, Err(CallError::Failed(Failure::TimedOut(_)))));
    let awaited = open.submit(("pipe".to_owned(), "in-time".to_owned()));
    // Kept open: it may be the first call's reader alone that is there yet.
    let _writer = open_to_write(&pipe);
    bounded("a call that is awaited", awaited).await.expect("it opens");
    // The other was before it, in the same sandbox.
    bounded("another call", change(&pool, "change-p3", "create-directory-at", "in-time"))
        .await
        .expect("it serves on");
    assert!(house.granted().join("in-time").exists() && !house.granted().join("too-late").exists());
    bounded("close", pool.close()).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_an_answered_call_left_is_refused_for_nobody() {
    let house = House::new();
    let pipe = pipe(&house);
    let pool = builder(GRANTS, 1, 8).await.grants(Grants::none().dir(house.granted(), "/in"));
    let pool = pool.build().await.expect("opens");
    let mut events = pool.events();
    let fail = pool.task_with_error::<(String,), (), String>("open-then-fail-p3").expect("a task");
    let leave = pool.task::<(String, String), u32>("leave-change-p3").expect("a task");
    let neighbour = fail.submit(("pipe".to_owned(),));
    until("it runs", || pool.stats().calls_running == 1).await;
    let left = leave.call(("create-directory-at".to_owned(), "inside".to_owned()));
    assert_eq!(bounded("a call that leaves work", left).await.expect("an answer"), 7);
    find_event(&mut events, "the work that was left", |event| match event {
        Event::GuestLine { text, .. } => (text == "refused").then_some(()),
        _ => None,
    })
    .await;
    open_to_write(&pipe);
    let failed = bounded("the neighbour", neighbour).await.expect_err("it fails").to_string();
    assert!(failed.contains("for reasons of its own") && !failed.contains("--dir"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_folders_of_one_name_are_refused() {
    let house = House::new();
    let grants = Grants::none().dir(house.granted(), "/in").dir_writable(house.dir.path(), "/in");
    let problem =
        builder(GRANTS, 1, 1).await.grants(grants).build().await.err().expect("refused").to_string();
    assert!(problem.contains("two folders are called `/in`"), "{problem}");
}
