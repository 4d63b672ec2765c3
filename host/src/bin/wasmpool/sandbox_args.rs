//! Flags about sandboxes: which calls share one, and when a new one takes its place.

use std::time::Duration;

use clap::{Args, ValueEnum};
use wasmpool::{Isolation, PoolBuilder};

use crate::quantities::{parse_bytes, parse_count, parse_time};

/// Which calls share a sandbox, and for how long.
#[derive(Args)]
pub(crate) struct SandboxArgs {
    /// Which calls share a sandbox, and with it the module's state: those of a worker, one after the other, or none
    /// [default: shared if the module has async tasks, else exclusive]
    #[arg(long, value_enum, hide_possible_values = true, value_name = "shared|exclusive|fresh")]
    isolation: Option<IsolationArg>,
    /// Replace a sandbox after this many calls; large numbers are spread a little, never exceeded
    #[arg(long, value_name = "N", value_parser = parse_count::<u64>, allow_hyphen_values = true)]
    recycle_after: Option<u64>,
    /// Replace a sandbox that is so old, such as 90s or 1h
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    recycle_age: Option<Duration>,
    /// Replace a sandbox whose memory has grown to this size, such as 64MiB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    recycle_memory: Option<usize>,
    /// Close a sandbox that was without a call for so long, such as 10s
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    idle_timeout: Option<Duration>,
}

/// [`Isolation`] as it is written.
#[derive(Clone, Copy, ValueEnum)]
enum IsolationArg {
    Shared,
    Exclusive,
    Fresh,
}

impl SandboxArgs {
    /// Returns the name of the isolation, the pool's default if none was given.
    pub(crate) fn isolation_name(&self, has_async: bool) -> &'static str {
        match self.isolation {
            Some(IsolationArg::Shared) => "shared",
            Some(IsolationArg::Exclusive) => "exclusive",
            Some(IsolationArg::Fresh) => "fresh",
            None if has_async => "shared",
            None => "exclusive",
        }
    }

    /// Passes on what was given.
    pub(crate) fn apply(&self, mut builder: PoolBuilder) -> PoolBuilder {
        if let Some(isolation) = self.isolation {
            builder = builder.isolation(match isolation {
                IsolationArg::Shared => Isolation::Shared,
                IsolationArg::Exclusive => Isolation::Exclusive,
                IsolationArg::Fresh => Isolation::Fresh,
            });
        }
        if let Some(calls) = self.recycle_after {
            builder = builder.recycle_after(calls);
        }
        if let Some(age) = self.recycle_age {
            builder = builder.recycle_age(age);
        }
        if let Some(bytes) = self.recycle_memory {
            builder = builder.recycle_memory_bytes(bytes);
        }
        if let Some(time) = self.idle_timeout {
            builder = builder.idle_timeout(time);
        }
        builder
    }
}
