//! The whole house from outside: real guests built from source, the library as an embedder uses it, the
//! command as an operator does.

mod guests;
mod support;
mod types;
mod rooms;
mod calls;
mod maps;
mod blame;
mod capacity;
mod ends;
mod cancel;
mod init;
mod isolation;
mod recycling;
mod slots;
mod replacement;
mod interleavings;
mod snapshots;
mod snapshot_memory;
mod lost;
mod output;
mod events;
mod spread;
mod stats;
mod tracing;
mod command_support;
mod command_run;
mod command_map;
mod command_stream;
mod command_stop;
mod command_modules;
mod command_talk;
mod command_snapshot;
mod command_cache;
mod readme;
mod service;
