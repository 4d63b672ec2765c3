//! A worker pool whose workers are WebAssembly sandboxes.
//!
//! The modules stand in reading order, and each imports only modules above it: this list is the
//! table of contents, the rule, and the proof (a test reads it against every `crate::` path).

// Words: what everybody talks about.
pub mod limits;
pub mod call;
pub mod outcome;
pub mod error;
pub mod event;
// Rules: pure decisions; no clock, no dice, no await.
pub mod lifespan;
// JSON to component values and back.
pub mod values;
// Machinery.
pub mod module;
pub mod sandbox;
pub mod dispatch;
pub mod worker;
pub mod scheduler;
// The front desk.
pub mod pool;
