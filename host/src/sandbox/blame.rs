//! Why a store is done for, and what to tell the call that did it.

use wasmtime::WasmBacktrace;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use crate::failure::{Failure, OutOfMemory, Oversized, TooLarge, Trap};
use crate::limits::Limits;

/// Says how the call ended that did it, by the engine's error and the end of what the call wrote to stderr.
pub(crate) fn failure(error: &wasmtime::Error, stderr_tail: &str, limits: &Limits) -> Failure {
    if let Some(out_of_memory) = error.downcast_ref::<OutOfMemory>() {
        return Failure::OutOfMemory(out_of_memory.clone());
    }
    if error.chain().any(|cause| cause.to_string().starts_with(COPIES_TOO_MUCH)) {
        let limit_bytes = limits.answer_bytes;
        return Failure::TooLarge(TooLarge { what: Oversized::Answer, bytes: None, limit_bytes });
    }
    Failure::Trapped(trap_report(error, stderr_tail))
}

/// How the engine begins to say that a guest hands over too much at once; it has no public type for that.
const COPIES_TOO_MUCH: &str = "too much data is being copied between the host and the guest";

/// Makes a trap's report out of the engine's error and the end of what the call wrote to stderr.
pub(crate) fn trap_report(error: &wasmtime::Error, stderr_tail: &str) -> Trap {
    let (panic, exit) = (panic_text(stderr_tail), error.downcast_ref::<I32Exit>());
    let code = match error.downcast_ref::<wasmtime::Trap>() {
        _ if exit.is_some() => "exit",
        _ if holds_too_many(error) => "too-many-handles",
        Some(wasmtime::Trap::UnreachableCodeReached) if panic.is_some() => "panic",
        Some(trap) => code_of(*trap),
        None => "other",
    };
    let message = match (panic, exit) {
        (Some(panic), _) if code == "panic" || code == "other" => panic,
        (_, Some(exit)) => format!("the guest called exit with status {}", exit.0),
        _ => engine_text(error),
    };
    Trap { code, message, backtrace: backtrace(error) }
}

/// Returns true if the guest wanted one more handle, stream, future or subtask than a sandbox may have.
fn holds_too_many(error: &wasmtime::Error) -> bool {
    let is_full = |cause: &(dyn std::error::Error + 'static)| {
        // The engine's own count has no public type.
        matches!(cause.downcast_ref(), Some(ResourceTableError::Full))
            || cause.to_string().ends_with("store handle limit exceeded")
    };
    error.chain().any(is_full)
}

/// Returns a trap's name as records have it.
fn code_of(trap: wasmtime::Trap) -> &'static str {
    match trap {
        wasmtime::Trap::StackOverflow => "stack-overflow",
        wasmtime::Trap::MemoryOutOfBounds => "memory-out-of-bounds",
        wasmtime::Trap::TableOutOfBounds => "table-out-of-bounds",
        wasmtime::Trap::IndirectCallToNull => "indirect-call-to-null",
        wasmtime::Trap::BadSignature => "bad-signature",
        wasmtime::Trap::IntegerOverflow => "integer-overflow",
        wasmtime::Trap::IntegerDivisionByZero => "integer-division-by-zero",
        wasmtime::Trap::BadConversionToInteger => "bad-conversion-to-integer",
        wasmtime::Trap::UnreachableCodeReached => "unreachable",
        _ => "other",
    }
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
    let lines: Vec<_> = backtrace.frames().iter().flat_map(frame_lines).collect();
    // How a panic becomes a trap is the same every time, and none of the author's business.
    let machinery = lines.iter().rposition(|line| is_panic_machinery(line)).map_or(0, |last| last + 1);
    if machinery < lines.len() { lines[machinery..].to_vec() } else { lines }
}

fn is_panic_machinery(line: &str) -> bool {
    ["core::panicking::", "std::panicking::", "rust_begin_unwind", "__rust_start_panic"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Returns a line for each function that was inlined into a frame, innermost first.
fn frame_lines(frame: &wasmtime::FrameInfo) -> Vec<String> {
    let outer =
        || frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), readable_name);
    if frame.symbols().is_empty() {
        return vec![outer()];
    }
    let line = |symbol: &wasmtime::FrameSymbol| {
        let name = symbol.name().map_or_else(outer, readable_name);
        match (symbol.file(), symbol.line()) {
            (Some(file), Some(line)) => format!("{name} at {file}:{line}:{}", symbol.column().unwrap_or(0)),
            _ => name,
        }
    };
    frame.symbols().iter().map(line).collect()
}

/// Demangles a name; the alternate form leaves out the hashes of crates and functions.
fn readable_name(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
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
    fn names_are_readable_and_have_no_hashes() {
        assert_eq!(readable_name("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
        assert_eq!(readable_name("add_async"), "add_async");
    }
}
