//! Guests of the benchmarks, built from source by the command as anybody would build them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds a crate of `tests/guests` and returns the component.
pub(crate) fn guest(name: &str) -> PathBuf {
    guest_with(name, |_| ())
}

/// As [`guest`], with something more said to Cargo by its environment.
pub(crate) fn guest_with(name: &str, say: impl FnOnce(&mut Command)) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(name);
    let mut build = Command::new(env!("CARGO_BIN_EXE_wasmpool"));
    build.arg("build").arg(folder);
    say(&mut build);
    let built = build.output().expect("the command starts");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).expect("a path").trim().into()
}
