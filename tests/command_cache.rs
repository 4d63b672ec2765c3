//! The cache folder as many processes use it, at once, killed, and where it is not to be trusted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::command_support::{Ran, end_of, text_of, wasmpool};
use crate::guests::component;
use crate::support::SNAPSHOT;

const CALL: [&str; 4] = ["lookup", "7", "--snapshot-arg", "table"];

fn run_with(cache: &Path) -> Ran {
    let mut command = wasmpool(["run"]);
    end_of(command.arg(component(SNAPSHOT)).args(CALL).env("WASMPOOL_CACHE_DIR", cache))
}

fn started_with(cache: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wasmpool"));
    command.arg("run").arg(component(SNAPSHOT)).args(CALL).env("WASMPOOL_CACHE_DIR", cache);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("a folder");
    files.map(|file| file.expect("a file").path()).collect()
}

#[test]
fn processes_that_race_for_an_empty_cache_all_get_it_right() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let racing: Vec<_> = (0..3).map(|_| started_with(&cache)).collect();
    for process in racing {
        let output = process.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "49\n", "{output:?}");
    }
    let kept = files_in(&cache);
    assert_eq!(kept.len(), 2, "the module and its snapshot: {kept:?}");
    assert_eq!(run_with(&cache).exits(0).prints("49\n").stderr, "", "nothing is loaded again");
}

#[test]
fn a_writer_that_was_killed_harms_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    // At once; when something is being written or has been; and when there is more than the module's code.
    for files in 0..3 {
        let mut process = started_with(&cache);
        let has_ended = |process: &mut Child| process.try_wait().expect("a state").is_some();
        while !has_ended(&mut process) && fs::read_dir(&cache).map_or(0, Iterator::count) < files {
            std::thread::yield_now();
        }
        // It may have been faster, and then there is nothing to kill.
        let _ = process.kill();
        process.wait().expect("it is gone");
    }
    run_with(&cache).exits(0).prints("49\n");
    let half = |name: &str, hours: u64| {
        let path = cache.join(name);
        fs::write(&path, b"half of an entry").expect("a file");
        let written = SystemTime::now() - Duration::from_secs(hours * 3_600);
        File::open(&path).and_then(|file| file.set_modified(written)).expect("a time");
        path
    };
    let (old, new) = (half("0123.1-2.tmp", 2), half("4567.1-2.tmp", 0));
    for entry in files_in(&cache).iter().filter(|path| path.extension().is_some_and(|end| end == "cwasm")) {
        fs::remove_file(entry).expect("it is gone");
    }
    run_with(&cache).exits(0).prints("49\n");
    assert!(!old.exists() && new.exists(), "{:?}", files_in(&cache));
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_to_is_warned_of_once_and_not_used() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    fs::create_dir(&cache).expect("a folder");
    fs::set_permissions(&cache, fs::Permissions::from_mode(0o777)).expect("a mode");
    let link = folder.path().join("link");
    symlink(folder.path(), &link).expect("a link");
    for (place, why) in
        [(&cache, "others may write to it; `chmod go-w` it"), (&link, "it is not a folder itself")]
    {
        let ran = run_with(place).exits(0).prints("49\n");
        let warnings = ran.stderr.lines().filter(|line| line.contains("the cache folder")).count();
        assert_eq!(warnings, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(why) && ran.stderr.contains(text_of(place)), "{}", ran.stderr);
    }
    assert_eq!(files_in(&cache), Vec::<PathBuf>::new());
}
