//! Why a store is done for, and what to tell the call that did it.

use wasmtime::WasmBacktrace;
use wasmtime_wasi::I32Exit;

use crate::outcome::Trap;

/// Makes a trap's report out of the engine's error and the end of what the call wrote to stderr.
pub(crate) fn trap_report(error: &wasmtime::Error, stderr_tail: &str) -> Trap {
    let message = match (panic_text(stderr_tail), error.downcast_ref::<I32Exit>()) {
        (Some(panic), _) => panic,
        (None, Some(exit)) => format!("the guest called exit with status {}", exit.0),
        (None, None) => engine_text(error),
    };
    Trap { message, backtrace: backtrace(error) }
}

/// Returns what the engine says, without the backtrace that it puts into the chain of causes.
fn engine_text(error: &wasmtime::Error) -> String {
    error
        .chain()
        .map(|cause| cause.to_string())
        .filter(|text| !text.starts_with("error while executing at wasm backtrace"))
        .collect::<Vec<_>>()
        .join(": ")
}

/// Finds the last Rust panic in what a guest wrote to stderr: `panicked at src/lib.rs:7:9: boom`.
fn panic_text(stderr_tail: &str) -> Option<String> {
    let (_, panic) = stderr_tail.rsplit_once(" panicked at ")?;
    let panic = panic.split("\nnote: run with `RUST_BACKTRACE").next().unwrap_or(panic);
    let (place, message) = panic.split_once('\n').unwrap_or((panic, ""));
    Some(format!("panicked at {place} {}", message.trim_end()).trim_end().to_owned())
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    backtrace.frames().iter().flat_map(frame_lines).collect()
}

/// Returns a line for each function that was inlined into a frame, innermost first.
fn frame_lines(frame: &wasmtime::FrameInfo) -> Vec<String> {
    let outer = || {
        frame.func_name().map_or_else(
            || format!("function {}", frame.func_index()),
            |name| rustc_demangle::demangle(name).to_string(),
        )
    };
    if frame.symbols().is_empty() {
        return vec![without_hash(&outer())];
    }
    let line = |symbol: &wasmtime::FrameSymbol| {
        let name = symbol.name().map_or_else(outer, |name| rustc_demangle::demangle(name).to_string());
        let name = without_hash(&name);
        match (symbol.file(), symbol.line()) {
            (Some(file), Some(line)) => format!("{name} at {file}:{line}:{}", symbol.column().unwrap_or(0)),
            _ => name,
        }
    };
    frame.symbols().iter().map(line).collect()
}

/// Cuts the `::h0123456789abcdef` that Rust puts behind the names of functions.
fn without_hash(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_panic_of_a_call_is_its_message() {
        let stderr = "\nthread '<unnamed>' (1) panicked at src/lib.rs:41:9:\nboom at 50\nover two lines\n\
                      note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(
            panic_text(stderr).as_deref(),
            Some("panicked at src/lib.rs:41:9: boom at 50\nover two lines")
        );
        assert_eq!(panic_text("nothing of the kind"), None);
    }

    #[test]
    fn a_name_loses_its_hash_and_nothing_else() {
        assert_eq!(without_hash("core::panicking::panic::h0123456789abcdef"), "core::panicking::panic");
        assert_eq!(without_hash("demo::hash"), "demo::hash");
    }
}
