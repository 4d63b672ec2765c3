//! What the command makes of modules and crates: loaded from a cache or not, refused with a remedy, inspected, built
//! and begun.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command_support::{Ran, cache_dir, end_of, raw, text_of, wasmpool};
use crate::guests::{component, repository};
use crate::support::{BASICS, STATEFUL};

fn inspect(args: &[&str]) -> Ran {
    end_of(&mut wasmpool([&["inspect"], args].concat()))
}

/// Runs a shell command in the repository, where `wasmpool` is the command under test.
fn in_shell(line: &str) -> Ran {
    let command = Path::new(env!("CARGO_BIN_EXE_wasmpool"));
    let folder = command.parent().expect("the command is in a folder");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = assert_cmd::Command::new("bash");
    shell.args(["-c", line]).env("PATH", path).env("WASMPOOL_CACHE_DIR", cache_dir());
    end_of(shell.current_dir(repository()).timeout(std::time::Duration::from_secs(300)))
}

fn command_at_the_end_of(sheet: &Ran) -> String {
    let last = sheet.stdout.lines().next_back().expect("a sheet");
    last.strip_prefix("Try: ").unwrap_or_else(|| panic!("no command line: {last}")).to_owned()
}

/// Returns what is in a folder, by name.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

#[test]
fn a_module_that_cannot_be_used_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases: [(&str, &[u8], &str); 5] = [
        ("text.wasm", b"this is a text", "expected a WebAssembly component; build a guest crate"),
        ("empty.wasm", b"", "it is empty"),
        ("text.wat", b"(component)", "it is WebAssembly text; make it binary with `wasm-tools parse"),
        ("core.wasm", b"\0asm\x01\0\0\0", "it is a core WebAssembly module, not a component"),
        ("nothing.wasm", b"\0asm\x0d\0\x01\0", "there is no task to call"),
    ];
    for (name, bytes, remedy) in cases {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("a file");
        for command in [
            &["run", text_of(&file), "add"][..],
            &["map", text_of(&file), "add"],
            &["inspect", text_of(&file)],
        ] {
            let ran = end_of(wasmpool(command).write_stdin("")).exits(2).prints("");
            ran.says(&format!("cannot use module `{}`", file.display())).says(remedy);
        }
    }
    let damaged = folder.path().join("damaged.wasm");
    let bytes = fs::read(component(BASICS)).expect("a component");
    fs::write(&damaged, &bytes[..bytes.len() / 2]).expect("a file");
    inspect(&[text_of(&damaged)]).exits(2).says("damaged");
    inspect(&["nowhere.wasm"]).exits(2).says("cannot read `nowhere.wasm`");
    let no_crate = folder.path().join("folder");
    fs::create_dir(&no_crate).expect("a folder");
    for command in [&["inspect"][..], &["build"], &["run"]] {
        let tail: &[&str] = if command == ["run"] { &["add"] } else { &[] };
        let ran = end_of(wasmpool(command).arg(&no_crate).args(tail)).exits(2).prints("");
        ran.says("has no Cargo.toml").says("`wasmpool new");
    }
}

#[test]
fn the_command_line_at_the_end_of_a_sheet_works_when_it_is_pasted() {
    for example in ["markdown", "delays", "patterns"] {
        let folder = format!("guest/examples/{example}");
        component(&folder);
        let sheet = in_shell(&format!("wasmpool inspect {folder}")).exits(0);
        let command = command_at_the_end_of(&sheet);
        assert!(command.starts_with(&format!("wasmpool run {folder} ")), "{command}");
        let ran = in_shell(&command).exits(0);
        assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok(), "{command}: {ran:#?}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (module, name) in [(raw(), "it's $HOME.wasm"), (component(BASICS), "a b.wasm"), (raw(), "-v")] {
        fs::copy(module, folder.path().join(name)).expect("a copy");
        let place = text_of(folder.path());
        let sheet = in_shell(&format!("cd '{place}' && wasmpool inspect -- \"$(ls)\"")).exits(0);
        let command = command_at_the_end_of(&sheet);
        in_shell(&format!("cd '{place}' && {command}")).exits(0);
        fs::remove_file(folder.path().join(name)).expect("it is there");
    }
}

#[test]
fn a_sheet_shows_tasks_with_types_and_docs() {
    let sheet = inspect(&[text_of(&component(STATEFUL))]).exits(0).stdout;
    let expected = [
        "A session opened once per sandbox.",
        "open(mode: string, ms: u32) -> result<_, task-error>",
        "[runs once in each new sandbox]",
        "  async count-later(ms: u32) -> u32",
        "Like `count`, after a wait of `ms` milliseconds.",
        "May ask for: ",
    ];
    for text in expected {
        assert!(sheet.contains(text), "no `{text}` in:\n{sheet}");
    }
    let sheet = inspect(&[text_of(&component(BASICS))]).exits(0).stdout;
    for text in
        ["attempts 4", "no timeout", "record user {", "deep-blue,", "echo-option(value: option<option<u8>>)"]
    {
        assert!(sheet.contains(text), "no `{text}` in:\n{sheet}");
    }
}

#[test]
fn a_sheet_for_programs_is_json_and_one_for_tools_is_wit() {
    let file = component(STATEFUL);
    let ran = inspect(&["--json", text_of(&file)]).exits(0);
    let sheet: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let tasks = sheet["tasks"].as_array().expect("tasks");
    let later = tasks.iter().find(|task| task["name"] == "count-later").expect("a task");
    assert_eq!(later["signature"], "count-later(ms: u32) -> u32");
    assert_eq!(later["params"], serde_json::json!([{"name": "ms", "type": "u32"}]));
    assert_eq!(
        (&later["async"], &later["takes_state"], &later["kind"]),
        (&true.into(), &true.into(), &"task".into())
    );
    assert!(tasks.iter().any(|task| task["kind"] == "init"), "{sheet:#}");
    assert!(sheet["command"].as_str().is_some_and(|command| command.starts_with("wasmpool run ")));
    let wit = inspect(&["--wit", text_of(&file)]).exits(0).stdout;
    assert!(
        wit.starts_with("package ") && wit.contains("export count-later: async func(ms: u32) -> u32;"),
        "{wit}"
    );
    inspect(&["--wit", "--json", text_of(&file)]).exits(2);
}

#[test]
fn compiled_code_is_kept_and_used_again_and_does_no_harm_when_it_is_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = folder.path().join("cache");
    let module = component("guest/examples/delays");
    let nap = |flags: &[&str]| {
        let mut command = wasmpool(["run"]);
        command.arg(&module).args(["nap", "1"]).args(flags).env("WASMPOOL_CACHE_DIR", &cache);
        assert_eq!(end_of(&mut command).exits(0).prints("1\n").stderr, "");
    };
    nap(&["--no-cache"]);
    assert_eq!(files_in(&cache), Vec::<PathBuf>::new());
    nap(&[]);
    let kept = files_in(&cache);
    let [entry] = kept.as_slice() else { panic!("one entry: {kept:?}") };
    let written = |entry: &Path| fs::metadata(entry).and_then(|found| found.modified()).expect("a file");
    let (whole, first) = (fs::read(entry).expect("code"), written(entry));
    nap(&[]);
    assert_eq!((files_in(&cache), written(entry)), (kept.clone(), first), "it is used, not written again");
    let mut turned = whole.clone();
    turned[whole.len() / 2] ^= 1;
    for damage in [&turned, &whole[..whole.len() / 2], b""] {
        fs::write(entry, damage).expect("a file");
        nap(&["--no-cache"]);
        assert_eq!(fs::read(entry).expect("code"), damage, "it is left alone");
        nap(&[]);
        assert_eq!(files_in(&cache), kept);
        assert_ne!(fs::read(entry).expect("code"), damage, "it is replaced");
    }
}

#[test]
fn a_cache_that_cannot_be_used_is_told_and_done_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").expect("a file");
    let mut command = wasmpool(["run"]);
    command.arg(component("guest/examples/delays")).args(["nap", "1"]).env("WASMPOOL_CACHE_DIR", &no_folder);
    end_of(&mut command).exits(0).prints("1\n").says("cache folder");
}

#[test]
fn inspecting_a_folder_builds_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("fresh");
    end_of(wasmpool(["new"]).arg(&made)).exits(0).prints("").says("made the guest crate `fresh`");
    let before = files_in(&made);
    let mut command = wasmpool(["inspect"]);
    command.arg(&made).env("CARGO_TARGET_DIR", folder.path().join("target"));
    end_of(&mut command).exits(2).prints("").says("has not been built; run `wasmpool build");
    assert_eq!(files_in(&made), before);
    assert!(!folder.path().join("target").exists(), "nothing was built elsewhere either");
}

#[test]
fn a_built_component_can_be_put_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("basics.wasm");
    let mut command = wasmpool(["build"]);
    let ran = end_of(command.arg(repository().join(BASICS)).arg("-o").arg(&output)).exits(0);
    assert_eq!(ran.stdout, format!("{}\n", output.display()));
    assert_eq!(fs::read(&output).expect("a copy"), fs::read(component(BASICS)).expect("a component"));
    let nowhere = folder.path().join("no/such/folder.wasm");
    let mut command = wasmpool(["build"]);
    end_of(command.arg(repository().join(BASICS)).arg("-o").arg(&nowhere)).exits(2).prints("");
}

#[test]
fn a_new_crate_needs_a_good_name_and_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let new = |name: &str| end_of(wasmpool(["new", name]).current_dir(folder.path()));
    let bad = [("a b", "`a-b`"), ("1ab", "`tasks-1ab`"), ("self", "`tasks-self`"), ("x.wasm", "`x-wasm`")];
    for (name, better) in bad {
        new(name).exits(2).prints("").says(&format!("`{name}` cannot be a crate's name")).says(better);
    }
    assert_eq!(files_in(folder.path()), Vec::<PathBuf>::new(), "a refused name leaves nothing");
    fs::create_dir(folder.path().join("full")).expect("a folder");
    fs::write(folder.path().join("full/notes"), "mine").expect("a file");
    new("full").exits(2).prints("").says("not empty").says("`notes`");
    assert_eq!(files_in(&folder.path().join("full")).len(), 1, "what is there stays as it is");
    fs::create_dir(folder.path().join("empty")).expect("a folder");
    new("empty").exits(0).prints("");
    assert!(folder.path().join("empty/src/lib.rs").is_file());
}
