//! How far a call is, told to whoever watches the pool: the operator's terminal, the embedder's events.
//!
//! A module that tells imports `wasmpool:host/progress`; one that does not runs on any component host. Natively nobody
//! watches.

#[cfg(target_family = "wasm")]
use crate::contract::wasmpool::host::progress;
#[cfg(not(target_family = "wasm"))]
use crate::testing::nobody as progress;

/// Says that `done` of `total` steps of this call are done; a total of 0 is unknown. Steps are whatever the task counts:
/// bytes, rows, rounds. Only the latest is shown, so it costs little to say often.
///
/// ```
/// use wasmpool_guest::progress;
///
/// let rows = ["a", "b", "c"];
/// for (done, _row) in rows.iter().enumerate() {
///     progress::set(done as u64, rows.len() as u64);
/// }
/// ```
pub fn set(done: u64, total: u64) {
    progress::set(done, total);
}
