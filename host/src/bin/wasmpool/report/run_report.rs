//! A run in one JSON object, for programs that watch many runs. The names are a contract, like those of records.

use std::time::Duration;

use serde_json::{Map, Value, json};
use wasmpool::{Stats, TaskModule, TimeSummary};

use super::summary::Tally;
use crate::args::MapArgs;
use crate::exit::{Exit, StopSignal};

/// What a run was to do, known before it begins.
pub(crate) struct Setup {
    module: Value,
    task: String,
    concurrency: usize,
    isolation: &'static str,
}

impl Setup {
    /// Notes what `args` ask for, with the pool's defaults where they say nothing.
    pub(crate) fn new(args: &MapArgs, module: &TaskModule) -> Self {
        let default_concurrency = if module.has_async() { 16 } else { 1 };
        Setup {
            module: json!({"name": module.name(), "digest": module.digest()}),
            task: args.target.task.clone(),
            concurrency: args.pool.concurrency.unwrap_or(default_concurrency),
            isolation: args.pool.sandboxes.isolation_name(module.has_async()),
        }
    }
}

/// How a run ended.
pub(crate) struct RunEnd<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) stats: &'a Stats,
    pub(crate) elapsed: Duration,
    pub(crate) stopped_by: Option<StopSignal>,
    pub(crate) exit: Exit,
    /// How many calls the input makes; `None` if that is unknown, as it was not read to its end.
    pub(crate) calls_of_input: Option<u64>,
}

/// Returns the report, with a line end.
pub(crate) fn run_report(setup: &Setup, end: &RunEnd<'_>) -> String {
    let RunEnd { tally, stats, .. } = end;
    let calls = tally.calls();
    let failures: Map<_, _> =
        tally.failures().iter().map(|(kind, count)| ((*kind).to_owned(), json!(count))).collect();
    let slowest = tally.slowest().iter().map(
        |call| json!({"index": call.index, "run_ms": milliseconds(call.running), "attempts": call.attempts}),
    );
    let report = json!({
        "module": setup.module,
        "task": setup.task,
        "pool": {
            "workers": stats.workers,
            "concurrency": setup.concurrency,
            "isolation": setup.isolation,
        },
        "calls": calls,
        "done": tally.done(),
        "failed": tally.failed(),
        "failed_by_kind": failures,
        "retried": tally.retried(),
        "before": {"calls": tally.past().recorded.len(), "failed": tally.past().failed},
        "not_run": end.calls_of_input.map(|all| all.saturating_sub(calls)),
        "stopped_by": end.stopped_by.map(StopSignal::name),
        "exit": end.exit.code(),
        "wall_ms": milliseconds(end.elapsed),
        "wait_ms": percentiles(&stats.waiting),
        "run_ms": percentiles(&stats.running),
        "slowest": slowest.collect::<Vec<_>>(),
    });
    format!("{report:#}\n")
}

fn percentiles(times: &TimeSummary) -> Value {
    let [p50, p90, p99, max] = [times.p50, times.p90, times.p99, times.max].map(milliseconds);
    json!({"p50": p50, "p90": p90, "p99": p99, "max": max})
}

/// Returns a time to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}
