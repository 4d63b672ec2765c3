//! Facts about the call that is being served.
//!
//! Natively there is no call, so the answers are stand-ins: call 0, attempt 1, unless `testing::set_call` says otherwise.
//! A module that asks imports `wasmpool:host/call`; one that does not runs on any component host.

#[cfg(target_family = "wasm")]
use crate::contract::wasmpool::host::call;
#[cfg(not(target_family = "wasm"))]
use crate::testing::stand_in as call;

/// Returns the number of the call: unique in its pool, the same for all its attempts.
#[must_use]
pub fn id() -> u64 {
    call::id()
}

/// Returns the number of this attempt, from 1.
#[must_use]
pub fn attempt() -> u32 {
    call::attempt()
}
