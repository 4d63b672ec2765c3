//! The guest modules of the tests, built from source by the command itself, once a run.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, OnceLock};

use wasmpool::{ModuleLoader, TaskModule};

/// Where this repository is.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a folder of the repository")
        .to_owned()
}

/// Builds a guest, `tests/guests/basics` for example, and returns its component file.
pub(crate) fn component(folder: &str) -> PathBuf {
    static BUILT: LazyLock<Mutex<HashMap<String, &'static OnceLock<PathBuf>>>> =
        LazyLock::new(Mutex::default);
    let built = *BUILT
        .lock()
        .expect("no holder of this lock panics")
        .entry(folder.to_owned())
        .or_insert_with(|| Box::leak(Box::new(OnceLock::new())));
    built.get_or_init(|| build(folder)).clone()
}

fn build(folder: &str) -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_wasmpool"))
        .arg("build")
        .arg(repository().join(folder))
        .output()
        .expect("the command starts");
    assert!(output.status.success(), "{folder}: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path in UTF-8").trim())
}

/// Loads a guest once a run, its compiled code cached between runs.
pub(crate) async fn module(folder: &str) -> TaskModule {
    static LOADED: LazyLock<tokio::sync::Mutex<HashMap<String, TaskModule>>> =
        LazyLock::new(Default::default);
    // Locked across the load, so that tests that need the same guest wait for one compilation.
    let mut loaded = LOADED.lock().await;
    if let Some(module) = loaded.get(folder) {
        return module.clone();
    }
    let file = component(folder);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let module = ModuleLoader::new().cache_dir(cache).load_file(file).await.expect("a guest of ours loads");
    loaded.insert(folder.to_owned(), module.clone());
    module
}
