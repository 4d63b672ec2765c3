//! Whatever a module recorded about its tasks, reading it costs a note at most.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wasmpool::fuzzing::section(bytes));
