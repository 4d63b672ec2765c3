//! The rooms of the library keep their order: a module imports only what stands above it in `lib.rs`, or in
//! its folder's `mod.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::guests::repository;

/// The modules that a `lib.rs` or `mod.rs` lists, in its order.
fn listed(list: &Path) -> Vec<String> {
    let text = fs::read_to_string(list).expect("a list of modules");
    text.lines()
        .filter_map(|line| {
            let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
            line.strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)
        })
        .collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in
        fs::read_dir(folder).expect("a folder of the library").map(|entry| entry.expect("an entry").path())
    {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|end| end == "rs") {
            found.push(entry);
        }
    }
}

/// The paths after `crate::` in a file's code, tests aside.
fn crate_paths(file: &Path) -> Vec<Vec<String>> {
    paths_after("crate::", file)
}

/// The paths after `start` in a file's code, tests aside.
fn paths_after(start: &str, file: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).expect("a file of the library");
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let is_part_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.join("\n")
        .split(start)
        .skip(1)
        .map(|rest| rest.split(|c| !is_part_of_name(c)).next().unwrap_or_default())
        .map(|path| path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect())
        .collect()
}

#[test]
fn a_room_imports_only_rooms_above_it() {
    let source = repository().join("host/src");
    let rooms = listed(&source.join("lib.rs"));
    let place = |room: &str| rooms.iter().position(|other| other == room);
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&source).expect("a file of the source folder");
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts[0] == "bin" || parts[0] == "lib.rs" {
            continue;
        }
        let room = parts[0].trim_end_matches(".rs").to_owned();
        let here = place(&room).unwrap_or_else(|| panic!("lib.rs does not list {room}"));
        for path in crate_paths(&file) {
            let Some(target) = path.first().and_then(|first| place(first)) else { continue };
            if target > here {
                wrong.push(format!("{} imports crate::{}", inside.display(), path.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The files of one entry of a list: its own, and all in its folder.
fn files_of(folder: &Path, entry: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        Some(folder.join(format!("{entry}.rs"))).filter(|file| file.exists()).into_iter().collect();
    if folder.join(entry).is_dir() {
        rust_files(&folder.join(entry), &mut files);
    }
    assert!(!files.is_empty(), "{entry} is listed in {} and is not there", folder.display());
    files
}

/// Finds imports against the order of the list in `folder`, and in the folders inside it.
fn against_the_list(source: &Path, folder: &Path, wrong: &mut Vec<String>) {
    let inside = folder.strip_prefix(source).expect("a folder of the source folder");
    let way: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let entries = listed(&folder.join("mod.rs"));
    for (here, entry) in entries.iter().enumerate() {
        let is_below = |other: &String| entries.iter().position(|name| name == other) > Some(here);
        for file in files_of(folder, entry) {
            for import in crate_paths(&file) {
                let is_of_here = import.len() > way.len() && import.starts_with(&way);
                if is_of_here && is_below(&import[way.len()]) {
                    wrong.push(format!("{}/{entry} imports crate::{}", inside.display(), import.join("::")));
                }
            }
            for import in paths_after("super::", &file) {
                if file.parent() == Some(folder) && import.first().is_some_and(is_below) {
                    wrong.push(format!("{}/{entry} imports super::{}", inside.display(), import.join("::")));
                }
            }
        }
        if folder.join(entry).join("mod.rs").exists() {
            against_the_list(source, &folder.join(entry), wrong);
        }
    }
}

#[test]
fn a_file_imports_only_files_above_it_in_its_folder() {
    let source = repository().join("host/src");
    let mut wrong = Vec::new();
    for room in listed(&source.join("lib.rs")) {
        if source.join(&room).join("mod.rs").exists() {
            against_the_list(&source, &source.join(&room), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_three_rooms_and_one_word_name_the_engine() {
    let source = repository().join("host/src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let may = ["values", "module", "sandbox", "bin", "outcome.rs"];
    for file in files {
        let inside = file.strip_prefix(&source).expect("a file of the source folder");
        let text = fs::read_to_string(&file).expect("a file of the library");
        let names_it =
            text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("wasmtime::"));
        let first = inside.iter().next().expect("a name").to_string_lossy();
        assert!(!names_it || may.contains(&&*first), "{} names the engine", inside.display());
    }
}
