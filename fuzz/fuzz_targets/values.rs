//! Values of any type come back from JSON as they were, and any JSON is taken or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| wasmpool::fuzzing::values(bytes));
