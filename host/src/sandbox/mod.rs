//! One wasmtime store with one instance of one module in it: how it is opened, what it may import, how
//! calls run in it, and who is to blame when one of them traps. Beside `module` and `values` this is the
//! only room that names the engine.

pub(crate) mod engine;
pub(crate) mod output;
pub(crate) mod meter;
mod copying;
pub(crate) mod net;
pub(crate) mod folders;
pub(crate) mod http;
pub(crate) mod reach;
pub(crate) mod gauges;
pub(crate) mod roster;
pub(crate) mod state;
pub(crate) mod asking;
pub(crate) mod store;
pub(crate) mod unopened;
mod deterministic;
pub(crate) mod wasi;
pub(crate) mod stores;
pub(crate) mod own_imports;
mod holding;
mod stream_imports;
mod fence;
pub(crate) mod net_imports;
pub(crate) mod net_imports_p3;
pub(crate) mod folder_imports;
mod folder_imports_p3;
pub(crate) mod http_imports;
pub(crate) mod contract;
mod queue_imports;
mod imports;
pub(crate) mod missing;
pub(crate) mod args;
pub(crate) mod invoke;
pub(crate) mod run;
mod shapes;
mod bulk;
pub(crate) mod blame;
pub(crate) mod forerunner;
pub(crate) mod blueprint;
pub(crate) mod trial;
pub(crate) mod snapshot;
pub(crate) mod prepare;
pub(crate) mod lobby;
pub(crate) mod door;
mod given_up;
pub(crate) mod serve;
