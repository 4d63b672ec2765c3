//! Snapshots as an operator takes them: by flags, or as a file of their own; and what guests are granted.

use std::fs;

use crate::command_support::{Ran, end_of, text_of, wasmpool};
use crate::guests::component;
use crate::support::{BASICS, SNAPSHOT};

/// Runs a task of the guest `snapshot`.
fn run_snapshot(task_and_flags: &[&str]) -> Ran {
    end_of(wasmpool(["run"]).arg(component(SNAPSHOT)).args(task_and_flags))
}

#[test]
fn a_snapshot_is_taken_once_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |flags: &[&str]| {
        let mut command = wasmpool(["run"]);
        command.arg(component(SNAPSHOT)).args(["lookup", "7", "--snapshot-arg", "small"]).args(flags);
        end_of(command.env("WASMPOOL_CACHE_DIR", folder.path().join("cache"))).exits(0).prints("7\n")
    };
    run(&[]).says("loading\nhalf a line");
    for _ in 0..2 {
        assert_eq!(run(&[]).stderr, "", "nothing is loaded again");
    }
    run(&["--no-cache"]).says("loading");
    run(&["--snapshot-env", "A=b"]).says("loading");
    run(&["--snapshot-env", "A=b"]).says("loading");
}

#[test]
fn a_snapshot_that_fails_is_told_in_the_words_of_its_function() {
    for (mode, words) in [
        ("err", "snapshot function `load` returned an error: cannot load: no such table"),
        ("panic", "the load panics on purpose"),
        ("random", "seed in #[init]"),
        ("hang", "deadlock"),
    ] {
        let ran = run_snapshot(&["lookup", "7", "--snapshot-arg", mode]).exits(2).prints("");
        ran.says("cannot take a snapshot of module `guest_snapshot`: ").says(words);
        let mut command = wasmpool(["snapshot"]);
        command.arg(component(SNAPSHOT)).args(["load", mode, "-o", "never.wasm"]);
        let ran = end_of(&mut command).exits(2).prints("");
        ran.says("cannot take a snapshot of module `guest_snapshot`: ").says(words);
    }
    assert!(!fs::exists("never.wasm").expect("a look"));
}

#[test]
fn flags_that_do_not_fit_are_named() {
    let cases: [(&[&str], &str); 9] = [
        (&[], "takes 1 argument: give one --snapshot-arg for each, not 0"),
        (&["--snapshot-arg", "a", "--snapshot-arg", "b"], "not 2"),
        (&["--snapshot", "lod", "--snapshot-arg", "a"], "--snapshot: no task `lod`; did you mean `load`?"),
        (&["--snapshot-arg", "small", "--dir", "no/such"], "--dir: `no/such` does not exist"),
        (&["--snapshot-arg", "small", "--dir", "Cargo.toml::/x"], "--dir: `Cargo.toml` is not a folder"),
        (
            &["--snapshot-arg", "small", "--snapshot-dir", "no/such"],
            "--snapshot-dir: `no/such` does not exist",
        ),
        (&["--snapshot-arg", "small", "--env", "NOT_SET_ANYWHERE"], "--env: cannot take `NOT_SET_ANYWHERE`"),
        (&["--snapshot-arg", "small", "--snapshot-env", "=x"], "a variable has a name"),
        (&["--snapshot-arg", "small", "--init", "load", "--init-arg", "x"], "is the initializer already"),
    ];
    for (flags, words) in cases {
        run_snapshot(&[&["lookup", "7"], flags].concat()).exits(2).prints("").says(words);
    }
    let mut command = wasmpool(["run"]);
    command.arg(component(BASICS)).args(["add", "1", "2", "--snapshot-arg", "x"]);
    end_of(&mut command).exits(2).says("has no snapshot function; name a function with --snapshot");
}

#[test]
fn guests_have_the_folders_and_variables_that_are_granted() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("text"), "from a file").expect("a file");
    let dir = format!("{}::/data", text_of(folder.path()));
    let with = |task: &str, arg: &str, flags: &[&str]| {
        run_snapshot(&[&[task, arg, "--snapshot-arg", "small"], flags].concat())
    };
    with("read", "/data/text", &["--dir", &dir]).exits(0).prints("\"from a file\"\n");
    with("read", "/data/text", &[]).exits(1).says("cannot read /data/text");
    let as_written = format!("{}/text", text_of(folder.path()));
    with("read", &as_written, &["--dir", text_of(folder.path())]).exits(0).prints("\"from a file\"\n");
    with("write", "/data/new", &["--dir", &dir]).exits(1).says("cannot write /data/new");
    with("write", "/data/new", &["--dir", &format!("{dir}:rw")]).exits(0);
    assert_eq!(fs::read(folder.path().join("new")).expect("a file"), b"written");
    with("variable", "A", &["--env", "A=b=c"]).exits(0).prints("\"b=c\"\n");
    with("variable", "A", &["--snapshot-env", "A=b"]).exits(0).prints("null\n");
    let mut command = wasmpool(["run"]);
    command.arg(component(SNAPSHOT)).args(["variable", "A", "--snapshot-arg", "small", "--env", "A"]);
    end_of(command.env("A", "from here")).exits(0).prints("\"from here\"\n");
}

#[test]
fn a_module_that_cannot_be_snapshotted_is_told_and_works_unless_it_must() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("text"), "open").expect("a file");
    let dir = format!("{}::/data", text_of(folder.path()));
    let flags = [
        "lookup",
        "7",
        "--snapshot-arg",
        "open",
        "--dir",
        &dir,
        "--snapshot-dir",
        &dir,
        "--guest-output",
        "none",
    ];
    let ran = run_snapshot(&flags).exits(0).prints("7\n");
    ran.says(
        "wasmpool: module `guest_snapshot` cannot be snapshotted, so the function runs in each sandbox: ",
    );
    let ran = run_snapshot(&[&flags[..], &["--snapshot-required"]].concat()).exits(2).prints("");
    ran.says("cannot take a snapshot of module `guest_snapshot`: ").says("left files or streams open");
}

#[test]
fn a_snapshot_in_a_file_is_a_module_like_any_other() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("text"), "from a file").expect("a file");
    let made = folder.path().join("made.wasm");
    let dir = format!("{}::/data", text_of(folder.path()));
    let mut command = wasmpool(["snapshot"]);
    command.arg(component(SNAPSHOT)).args(["load", "files", "--dir", &dir, "-o"]).arg(&made);
    end_of(&mut command).exits(0).prints("").says("loading");
    let run = |args: &[&str]| end_of(wasmpool(["run"]).arg(&made).args(args));
    assert_eq!(run(&["lookup", "7"]).exits(0).prints("7\n").stderr, "", "nothing is loaded");
    run(&["remembered"]).exits(0).prints("[\"from a file\",[]]\n");
    run(&["say", "hello"]).exits(0).says("hello\nhello!");
    run(&["read", "/data/text", "--dir", &dir]).exits(0).prints("\"from a file\"\n");
    run(&["read", "/data/text"]).exits(1).says("cannot read");
    run(&["load", "small"]).exits(2).says("no task `load`");
    let sheet = end_of(wasmpool(["inspect"]).arg(&made)).exits(0).stdout;
    assert!(sheet.contains("lookup(at: u32)") && !sheet.contains("load("), "{sheet}");
    let mut command = wasmpool(["snapshot"]);
    command.arg(component(SNAPSHOT)).args(["load", "small", "-o", "no/such/folder.wasm"]);
    end_of(&mut command).exits(2).prints("").says("cannot write `no/such/folder.wasm`");
}
