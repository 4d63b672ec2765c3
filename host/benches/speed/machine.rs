//! What the numbers were measured on, and with. What the system does not tell is left open.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// Returns the first line of every file of samples.
pub(crate) fn machine() -> Value {
    json!({
        "machine": {
            "cpu": field("/proc/cpuinfo", "model name"),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
            "memory_bytes": memory_bytes(),
        },
        "versions": {
            "wasmpool": env!("CARGO_PKG_VERSION"),
            "wasmtime": locked_version("wasmtime"),
            "rustc": said_by("rustc", "--version"),
        },
        "date": said_by("date", "+%F"),
    })
}

/// Returns what stands behind a name and a colon in a file of the system's.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn memory_bytes() -> Option<u64> {
    let kib: u64 = field("/proc/meminfo", "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn said_by(command: &str, arg: &str) -> Option<String> {
    let output = Command::new(command).arg(arg).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Returns the version of a dependency that this was built with.
fn locked_version(package: &str) -> Option<&'static str> {
    let lock = include_str!("../../../Cargo.lock");
    let entry = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?.1;
    entry.split('"').next()
}
