//! Write functions that run in the sandboxed workers of `wasmpool`.
//!
//! Put [`#[tasks]`](tasks) on a `mod`, and every `pub fn` in it is a task: an ordinary typed export of a WebAssembly
//! component. No interface file, no glue; any other component host can call the same module, and off wasm the
//! functions are plain Rust, so `cargo test` just calls them.
//!
//! ```
//! use std::time::Duration;
//! use wasmpool_guest::{Error, bail, tasks, time};
//!
//! /// Looks after a small shop.
//! #[tasks]
//! mod shop {
//!     use super::*;
//!
//!     /// What a sandbox keeps from call to call. It never leaves the sandbox, so it may hold anything.
//!     pub struct Prices {
//!         per_piece: f64,
//!     }
//!
//!     /// What travels: a record of the interface, like every `pub struct` in a signature.
//!     pub struct Order {
//!         pub item: String,
//!         pub pieces: u32,
//!     }
//!
//!     /// Runs once in every new sandbox, before any task.
//!     #[init]
//!     pub fn open_shop(per_piece: f64) -> Result<Prices, Error> {
//!         Ok(Prices { per_piece })
//!     }
//!
//!     /// Price of `order`. The state is borrowed and is no part of the interface.
//!     #[retry(attempts = 5, first_delay = "100ms")]
//!     #[timeout("2s")]
//!     pub async fn price(prices: &Prices, order: Order) -> Result<f64, Error> {
//!         if order.pieces == 0 {
//!             bail!("nothing ordered");
//!         }
//!         time::sleep(Duration::from_millis(1)).await;
//!         Ok(prices.per_piece * f64::from(order.pieces))
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! use wasmpool_guest::testing::block_on;
//!
//! let prices = shop::open_shop(2.5)?;
//! let order = shop::Order { item: "tea".to_owned(), pieces: 2 };
//! assert_eq!(block_on(shop::price(&prices, order))?, 5.0);
//! # Ok(())
//! # }
//! ```
//!
//! The crate is a `cdylib` (and an `rlib`, if its tests should live elsewhere) built with
//! `cargo build --release --target wasm32-wasip2`.
//!
//! `println!`, `eprintln!` and the message of a panic reach the operator. A sandbox runs on one thread, so
//! [`Cell`](std::cell::Cell) and [`RefCell`](std::cell::RefCell) are all the locking that state needs.

mod error;
mod json;
pub mod call;
pub mod time;
pub mod http;
pub mod queue;
pub mod progress;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
#[doc(hidden)]
pub mod glue;

#[cfg(target_family = "wasm")]
mod contract {
    wit_bindgen::generate!({ path: "wit", world: "guest" });
}

pub use error::{Context, Error, Permanent, Result, RetryAfter, anyhow, bail};
pub use json::Json;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use wit_bindgen;

/// Makes every `pub fn` and `pub async fn` of an inline `mod` a task.
///
/// **Names** become kebab-case: `get_status` is the task `get-status`. A function that is not `pub` stays a helper.
///
/// **Types** in signatures: integers up to 64 bits, `f32`, `f64`, `bool`, `char`, `String`, `Vec`, `Option`,
/// `Result`, tuples, [`Json<T>`](Json), as a parameter [`Queue<T>`](queue::Queue), and every `pub struct` (with named fields) and `pub enum` that the `mod`
/// declares, which become records, enums and variants. A parameter may be `&str` or `&[u8]`. Anything else is a
/// compile error at that token. A macro sees how a type is written, not what it is: the last segment of its path
/// decides, and what the `mod` declares goes before ours. So every `Error` that the `mod` does not declare itself is
/// taken for an error that turns into [`Error`], and `Result<T>` with one argument for one with that error.
///
/// **Errors**: `Result<T, Error>` travels as `result<T, task-error>` with the message, its causes, and whether and
/// when to try again ([`Permanent`], [`RetryAfter`]). Any other error type travels as itself.
///
/// **State**: a function marked `#[init]` runs once in every new sandbox with the arguments that the operator gives
/// and may return state of any type, also in a `Result`. One marked `#[snapshot]` runs once before all sandboxes,
/// and every sandbox starts from the memory that it left. A first parameter `&State` of a task borrows what one of
/// them returned; so may the first parameter of the `#[init]` function, from the snapshot. At most one of each.
/// Calling an initializer twice in one sandbox, or a task before its initializer, panics and says so.
/// What a `#[snapshot]` function leaves must do without the sandbox it ran in: stdio, folders and the environment are
/// made anew for tasks, but a `File` that is kept open is not, an `Instant` is of another clock, random numbers are the
/// same in every sandbox (so secure ones are refused), and all share the seed of their `HashMap`s.
///
/// **Policies** are recorded for the host, which follows them unless told otherwise:
///
/// | attribute | meaning |
/// |---|---|
/// | `#[retry]` | 3 attempts, 100 ms doubling to 10 s, a random part of each delay |
/// | `#[retry(attempts = 5, first_delay = "100ms", max_delay = "10s", factor = 2.0, jitter = true, within = "1m", on(Busy))]` | the same, set one by one; `attempts` counts the first try, `within` bounds them all, `on` names the cases of the task's own error `enum` that are worth another try |
/// | `#[timeout("2s")]`, `#[timeout("none")]` | how long one attempt may run |
/// | `#[idempotent]` | another attempt does no harm, whatever the last one did |
///
/// Durations are a number with `ms`, `s`, `m` or `h`. Attributes and doc comments travel in the custom section
/// `wasmpool:tasks`, one JSON object a line.
pub use wasmpool_guest_macros::tasks;
