//! Flags about calls that fail: how often they are tried, and when. What is not given is as the task's `#[retry]` says.

use std::time::Duration;

use clap::{Args, ValueEnum};
use wasmpool::{PoolBuilder, RetryOn, RetryPolicy};

use crate::quantities::parse_time;

/// Which calls are tried again.
#[derive(Args)]
pub(crate) struct RetryArgs {
    /// Attempts of a call that fails, the first included; 1 is no retry [default: the task's #[retry], or 1, or 3 with another retry flag]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// Wait up to so long before the second attempt, then twice as long each time up to 10s, or this if it is longer; the
    /// wait is drawn at random
    /// [default: the task's #[retry], or 100ms]
    #[arg(long, value_name = "DUR", value_parser = parse_time, allow_hyphen_values = true)]
    retry_delay: Option<Duration>,
    /// Failures to try again: task-error, timed-out, trapped, out-of-memory, too-large [default: task-error,timed-out]
    #[arg(long, value_enum, value_delimiter = ',', hide_possible_values = true, value_name = "KIND[,KIND]…")]
    retry_on: Option<Vec<RetryOnArg>>,
}

/// [`RetryOn`] as it is written.
#[derive(Clone, Copy, ValueEnum)]
enum RetryOnArg {
    TaskError,
    TimedOut,
    Trapped,
    OutOfMemory,
    TooLarge,
}

impl RetryArgs {
    /// Passes on what was given.
    pub(crate) fn apply(&self, builder: PoolBuilder) -> PoolBuilder {
        let RetryArgs { attempts, retry_delay, retry_on } = self;
        if attempts.is_none() && retry_delay.is_none() && retry_on.is_none() {
            return builder;
        }
        let mut policy = RetryPolicy::default();
        if let Some(attempts) = attempts {
            policy = policy.attempts(*attempts);
        }
        if let Some(delay) = retry_delay {
            policy = policy.first_delay(*delay);
        }
        if let Some(kinds) = retry_on {
            policy = policy.on(kinds.iter().map(|kind| RetryOn::from(*kind)));
        }
        builder.retry(policy)
    }
}

impl From<RetryOnArg> for RetryOn {
    fn from(kind: RetryOnArg) -> Self {
        match kind {
            RetryOnArg::TaskError => RetryOn::TaskError,
            RetryOnArg::TimedOut => RetryOn::TimedOut,
            RetryOnArg::Trapped => RetryOn::Trapped,
            RetryOnArg::OutOfMemory => RetryOn::OutOfMemory,
            RetryOnArg::TooLarge => RetryOn::TooLarge,
        }
    }
}
