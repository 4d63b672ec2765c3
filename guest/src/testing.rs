//! What native tests need: a way to run an async task, and stand-ins for what the host would answer.
//!
//! Only there off wasm. Stand-ins belong to the thread, so tests running side by side do not meet.

pub(crate) mod http;
pub(crate) mod queue;

use std::cell::Cell;

pub use http::{HttpAnswer, HttpRequest, serve_http};
pub use queue::declare_queue;

thread_local! {
    static CALL: Cell<(u64, u32)> = const { Cell::new((0, 1)) };
}

/// Runs `task` to its end on this thread and returns what it returns.
///
/// ```
/// # async fn double(number: u32) -> u32 { number * 2 }
/// assert_eq!(wasmpool_guest::testing::block_on(double(21)), 42);
/// ```
pub fn block_on<T>(task: impl Future<Output = T>) -> T {
    pollster::block_on(task)
}

/// Sets what [`call::id`](crate::call::id) and [`call::attempt`](crate::call::attempt) answer on this thread from
/// now on. Without it they answer 0 and 1.
///
/// ```
/// use wasmpool_guest::{call, testing};
///
/// testing::set_call(7, 2);
/// assert_eq!((call::id(), call::attempt()), (7, 2));
/// ```
pub fn set_call(id: u64, attempt: u32) {
    CALL.set((id, attempt));
}

/// The native side of the contract's `call`.
pub(crate) mod stand_in {
    pub(crate) fn id() -> u64 {
        super::CALL.get().0
    }

    pub(crate) fn attempt() -> u32 {
        super::CALL.get().1
    }
}

/// The native side of the contract's `progress`: nobody watches.
pub(crate) mod nobody {
    pub(crate) fn set(_done: u64, _total: u64) {}
}
