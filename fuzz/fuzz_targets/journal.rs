//! Whatever an output file holds, it is gone on with or refused. The command is no library, so the files about its
//! journals are built into this target.

#![no_main]
#![expect(dead_code, reason = "only what is read of a journal is looked at here")]

#[path = "../../host/src/bin/wasmpool/journal/mod.rs"]
mod journal;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| journal::fuzzing::journal(bytes));
