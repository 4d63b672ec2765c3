//! Task modules: reading a component, listing its tasks, compiling it, keeping the compiled code, that of
//! snapshots too.
//!
//! A [`TaskModule`] is bytes, types and compiled code, bound to no engine: every pool makes its own engine and
//! maps the code into it. What is not here: opening sandboxes, calling tasks, and values (see `sandbox`, `values`).

mod notes;
mod error;
mod engine;
mod diagnose;
mod wasi;
mod nesting;
mod needed;
mod body;
mod effort;
mod instances;
mod survey;
mod attributes;
mod wit;
mod tasks;
mod cache_bound;
mod cache;
mod artifact;
mod task_module;
mod snapshot;
mod load;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;

pub use attributes::{RetryAttribute, TaskKind, TimeoutAttribute};
pub use cache::default_cache_dir;
pub(crate) use engine::{EngineKind, engine_config};
pub use error::ModuleError;
pub use load::ModuleLoader;
pub(crate) use snapshot::SnapshotShelf;
pub use task_module::TaskModule;
pub use tasks::{ParamInfo, TaskInfo};
pub use wit::TypeDefinition;
