//! Any command line is understood or complained of. The command is no library, so the files about its command line
//! are built into this target, with more in them than it needs.

#![no_main]
#![expect(dead_code, reason = "only the reading of flags is called here")]

#[path = "../../host/src/bin/wasmpool/exit.rs"]
mod exit;
#[path = "../../host/src/bin/wasmpool/quantities.rs"]
mod quantities;
#[path = "../../host/src/bin/wasmpool/limit_args.rs"]
mod limit_args;
#[path = "../../host/src/bin/wasmpool/queue_args.rs"]
mod queue_args;
#[path = "../../host/src/bin/wasmpool/retry_args.rs"]
mod retry_args;
#[path = "../../host/src/bin/wasmpool/sandbox_args.rs"]
mod sandbox_args;
#[path = "../../host/src/bin/wasmpool/env_file.rs"]
mod env_file;
#[path = "../../host/src/bin/wasmpool/granted.rs"]
mod granted;
#[path = "../../host/src/bin/wasmpool/pool_args.rs"]
mod pool_args;
#[path = "../../host/src/bin/wasmpool/journal/mod.rs"]
mod journal;
#[path = "../../host/src/bin/wasmpool/lines.rs"]
mod lines;
#[path = "../../host/src/bin/wasmpool/args.rs"]
mod args;
#[path = "../../host/src/bin/wasmpool/fuzzing.rs"]
mod fuzzing;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::command_line(bytes));
