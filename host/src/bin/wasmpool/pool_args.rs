//! Flags about the pool: its workers, what runs before the calls, what is shown of the guests, what is kept on disk.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};
use wasmpool::{Workers, default_cache_dir};

use crate::granted::{GrantFlags, SnapshotFlags};
use crate::limit_args::LimitArgs;
use crate::quantities::parse_count;
use crate::queue_args::QueueFlag;
use crate::retry_args::RetryArgs;
use crate::sandbox_args::SandboxArgs;

/// How the pool is set up.
#[derive(Args)]
#[command(next_help_heading = "Pool")]
pub(crate) struct PoolArgs {
    /// Workers, each a thread with sandboxes of its own; N..M starts with N and adds more while calls wait
    /// [default: one per core; 1 for `run`]
    #[arg(short, long, value_name = "N[..M]", allow_hyphen_values = true)]
    pub(crate) workers: Option<Workers>,
    /// Calls in flight per worker [default: 16, or 1 if the module has no async task]
    #[arg(short, long, value_name = "N", value_parser = parse_count::<usize>, allow_hyphen_values = true)]
    pub(crate) concurrency: Option<usize>,
    #[command(flatten)]
    pub(crate) sandboxes: SandboxArgs,
    #[command(flatten)]
    pub(crate) retry: RetryArgs,
    /// Run this function once in each new sandbox, for a module without #[init]
    #[arg(long, value_name = "TASK")]
    pub(crate) init: Option<String>,
    /// An argument of the initializer, written like an ARG of `run`; once for each parameter
    #[arg(long = "init-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) init_args: Vec<String>,
    #[command(flatten)]
    pub(crate) snapshot: SnapshotFlags,
    #[command(flatten)]
    pub(crate) grants: GrantFlags,
    /// Declare a queue that tasks share, and feed it with the JSON lines of this file, or of stdin with `-`; one without
    /// a file is filled by tasks alone, and ends when all calls wait for queues
    #[arg(long, value_name = "NAME[=FILE|-]")]
    pub(crate) queue: Vec<QueueFlag>,
    /// Whose output to show on stderr: of all calls, of failed ones, or none
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "all|failed|none")]
    pub(crate) guest_output: GuestOutput,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// Tell on stderr what happens to sandboxes; twice: to each call too
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
}

/// What is kept on disk.
#[derive(Args)]
pub(crate) struct CacheArgs {
    /// Compile the module and take its snapshot even if they are cached, and keep nothing
    #[arg(long)]
    pub(crate) no_cache: bool,
}

impl CacheArgs {
    /// Returns where things are kept, if anywhere.
    pub(crate) fn dir(&self) -> Option<PathBuf> {
        if self.no_cache { None } else { default_cache_dir() }
    }
}

/// Whose output is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum GuestOutput {
    #[default]
    All,
    Failed,
    None,
}
