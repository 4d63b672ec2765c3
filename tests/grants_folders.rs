//! What is granted of folders, and all ways out of them.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use wasmpool::{Grants, Pool};

use crate::support::{GRANTS, builder};

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
async fn two_folders_of_one_name_are_refused() {
    let house = House::new();
    let grants = Grants::none().dir(house.granted(), "/in").dir_writable(house.dir.path(), "/in");
    let problem =
        builder(GRANTS, 1, 1).await.grants(grants).build().await.err().expect("refused").to_string();
    assert!(problem.contains("two folders are called `/in`"), "{problem}");
}
