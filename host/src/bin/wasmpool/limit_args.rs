//! Flags about what sandboxes and calls may use up.

use std::time::Duration;

use clap::{Args, ValueEnum};
use wasmpool::{Limits, PoolBuilder, RerunInterrupted};

use crate::quantities::{parse_bytes, parse_count, parse_rate, parse_some_time, parse_time};

/// What a call may use up.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Stop an attempt that has run for so long, such as 500ms or 10s; time that others keep it waiting is not counted
    /// [default: the task's #[timeout], or none]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    timeout: Option<Duration>,
    /// Give up an attempt that has waited for a worker for so long [default: none]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    queue_timeout: Option<Duration>,
    /// Stop a call that was not done so long after it was read, whatever it waits for [default: none]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    deadline: Option<Duration>,
    /// Say that an attempt is slow when it has run for so long [default: 60s, or 4/5 of --timeout if that is less]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    slow_after: Option<Duration>,
    /// Run calls again that lost their sandbox to another call: unless they had an effect outside of it, such as a
    /// POST; always; or never
    #[arg(long, value_enum, hide_possible_values = true, value_name = "unless-effects|always|never")]
    rerun_interrupted: Option<RerunArg>,
    /// HTTP requests to one origin in a time, such as 10/s, 300/m or 1000/h; others wait [default: as they come]
    #[arg(long, value_name = "N/s", value_parser = parse_rate, allow_hyphen_values = true)]
    rate: Option<f64>,
    /// Connections to one HTTP origin [default: 100]
    #[arg(long, value_name = "N", value_parser = parse_count::<usize>, allow_hyphen_values = true)]
    max_connections: Option<usize>,
    /// Size of the body of an HTTP request or answer [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    max_body: Option<usize>,
    #[command(flatten)]
    sizes: SizeArgs,
}

/// What the sandboxes of a module may use up.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct SizeArgs {
    /// Memory of a sandbox, such as 64MiB [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    memory: Option<usize>,
    /// Stack of guest code [default: 512KiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    stack: Option<usize>,
    /// Open handles, streams and subtasks of a sandbox [default: 65536]
    #[arg(long, value_name = "N", value_parser = parse_count::<usize>, allow_hyphen_values = true)]
    max_handles: Option<usize>,
    /// Size of the arguments of a call [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    max_arguments: Option<usize>,
    /// Size of the answer of a call; as JSON it may take 12 times as much of the host's memory [default: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    max_answer: Option<usize>,
    /// How much of a call's output is shown [default: 64KiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    max_output: Option<usize>,
    /// Size of all items in one queue [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    max_queue: Option<usize>,
    /// How long opening a sandbox may take, its initializer included [default: 60s]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    opening_time: Option<Duration>,
    /// How long a snapshot function may run [default: 5m]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    snapshot_time: Option<Duration>,
    /// Size of the module [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, allow_hyphen_values = true)]
    max_module: Option<usize>,
    /// How long compiling the module may take [default: 2m]
    #[arg(long, value_name = "DUR", value_parser = parse_some_time, allow_hyphen_values = true)]
    compile_time: Option<Duration>,
}

/// [`RerunInterrupted`] as it is written.
#[derive(Clone, Copy, ValueEnum)]
enum RerunArg {
    UnlessEffects,
    Always,
    Never,
}

impl LimitArgs {
    /// Returns the limits that were given, others as they are.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = self.sizes.limits();
        limits.attempt_timeout = self.timeout;
        limits.queue_timeout = self.queue_timeout;
        limits.deadline = self.deadline;
        limits.http_rate = self.rate;
        set(&mut limits.slow_after, self.slow_after);
        set(&mut limits.http_connections, self.max_connections);
        set(&mut limits.http_body_bytes, self.max_body.map(|bytes| bytes as u64));
        limits
    }

    /// Passes on what was given.
    pub(crate) fn apply(&self, builder: PoolBuilder) -> PoolBuilder {
        let builder = builder.limits(self.limits());
        match self.rerun_interrupted {
            None => builder,
            Some(RerunArg::UnlessEffects) => builder.rerun_interrupted(RerunInterrupted::UnlessEffects),
            Some(RerunArg::Always) => builder.rerun_interrupted(RerunInterrupted::Always),
            Some(RerunArg::Never) => builder.rerun_interrupted(RerunInterrupted::Never),
        }
    }
}

impl SizeArgs {
    /// Returns the limits that were given, others as they are.
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        set(&mut limits.memory_bytes, self.memory);
        set(&mut limits.stack_bytes, self.stack);
        set(&mut limits.handles, self.max_handles);
        set(&mut limits.arguments_bytes, self.max_arguments);
        set(&mut limits.answer_bytes, self.max_answer);
        set(&mut limits.guest_output_bytes, self.max_output);
        set(&mut limits.queue_bytes, self.max_queue);
        set(&mut limits.opening_time, self.opening_time);
        set(&mut limits.snapshot_time, self.snapshot_time);
        set(&mut limits.module_bytes, self.max_module.map(|bytes| bytes as u64));
        set(&mut limits.compile_time, self.compile_time);
        limits
    }
}

fn set<T>(limit: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *limit = given;
    }
}
