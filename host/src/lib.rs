//! A worker pool whose workers are WebAssembly sandboxes.
//!
//! The modules stand in reading order, and each imports only modules above it: this list is the
//! table of contents, the rule, and the proof (a test reads it against every `crate::` path).
//! Only `values`, `module` and `sandbox` know the engine; elsewhere its types are passed through.

// Words: what everybody talks about.
mod limits;
mod addresses;
mod origins;
mod net;
mod grants;
mod call;
mod foreign;
mod failure;
mod outcome;
mod error;
mod event;
// Rules: pure decisions; no clock, no dice, no await.
mod lifespan;
mod patience;
mod retry;
// JSON to component values and back.
mod values;
// Machinery.
mod own_thread;
mod keyvalue;
mod module;
mod tally;
mod spans;
mod bell;
mod wakes;
mod hold;
mod reply;
mod queues;
mod dispatch;
mod sandbox;
mod worker;
mod scheduler;
// The front desk.
mod pool;
// The back door of the fuzz targets.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

pub use crate::call::{AttemptId, CallId, Isolation, RerunInterrupted, WorkerId};
pub use crate::error::{CallError, PoolError, Refused};
pub use crate::event::{Event, Events, GuestStream, Lagged, RetireReason};
pub use crate::failure::{Denial, Failure, OutOfMemory, Oversized, Stage, TimedOut, TooLarge, Trap};
pub use crate::grants::Grants;
pub use crate::limits::Limits;
pub use crate::module::{
    ModuleError, ModuleLoader, ParamInfo, RetryAttribute, TaskInfo, TaskKind, TaskModule, TimeoutAttribute,
    TypeDefinition, default_cache_dir,
};
pub use crate::outcome::{CallReport, FailedAttempt, Outcome, TaskError};
pub use crate::pool::Pool;
pub use crate::pool::builder::PoolBuilder;
pub use crate::pool::handle::{CallHandle, WithValue};
pub use crate::pool::queue::Queue;
pub use crate::pool::reports::Reports;
pub use crate::pool::snapshot::SnapshotMaker;
pub use crate::pool::staff::Workers;
pub use crate::pool::stats::Stats;
pub use crate::pool::task::Task;
pub use crate::queues::{QueueError, QueueStats};
pub use crate::retry::{RetryOn, RetryPolicy};
pub use crate::sandbox::args::{TaskArg, TaskArgs, TaskValue, WireArgs};
#[cfg(feature = "wasmtime-api")]
pub use crate::sandbox::own_imports::{Defined, HostLinker};
pub use crate::sandbox::prepare::RawInput;
#[cfg(feature = "wasmtime-api")]
pub use crate::sandbox::state::SandboxState as HostState;
pub use crate::tally::times::TimeSummary;
pub use crate::values::BadValue;

/// The engine's own crate, whose derives make a Rust type travel (see [`Pool::task_with_error`]). Its version may
/// change with any release of this crate.
pub use wasmtime;

/// The snippets of the README, compiled by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
