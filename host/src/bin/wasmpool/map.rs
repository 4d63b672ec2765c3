//! `wasmpool map`: one call for each line of input, one record for each call. Lines, calls and records flow through
//! in constant memory: records wait for the reader, calls for records, and input for calls.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::{Context, bail};
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::oneshot;
use wasmpool::{Pool, Reports, TaskInfo};

use crate::args::{MapArgs, ProgressMode};
use crate::exit::Exit;
use crate::feeding::{self, Feeders};
use crate::guest_output::Style;
use crate::inputs::{Input, nothing};
use crate::journal::key::KeyMaker;
use crate::kept_lines::{Kept, KeptLines};
use crate::lines::{CallsOfLines, Line, LineKind, LineRules};
use crate::mapping::{Intake, Mapping};
use crate::module::load_or_build;
use crate::plan::{PoolPlan, abort, explain_input, find_task};
use crate::report::output::{Output, expect_different_files};
use crate::report::progress::Progress;
use crate::report::run_report::Setup;
use crate::resume::{Past, Resumed};
use crate::signals::Signals;
use crate::talk::Talk;
use crate::watching::Watcher;

/// Calls the task for each line.
///
/// # Errors
/// It did not come to calls.
pub(crate) async fn map(args: MapArgs, talk: &Talk) -> anyhow::Result<Exit> {
    let module =
        load_or_build(&args.target.module, &args.pool.cache, &args.pool.limits.limits(), talk).await?;
    let task = find_task(&module, &args.target.task)?;
    let input = open_input(&args, task)?;
    let reads_stdin =
        input.is_some() && args.input.input.as_deref().is_none_or(|file| file == Path::new("-"));
    if args.resume.is_some() && !args.pool.queue.is_empty() {
        bail!(
            "--resume and --queue: what calls took from a queue is not in their records, so it would be lost"
        );
    }
    let sources = feeding::open(&args.pool.queue, reads_stdin)?;
    let is_typed = args.input.input.is_none() && input.is_some() && io::stdin().is_terminal();
    expect_different_files(&args)?;
    let (resumed, input) = Resumed::check(&args, &module, input)?;
    let past = resumed.past.clone();
    let progress = Progress::start(if is_typed { ProgressMode::None } else { args.progress });
    let talk = Talk::around(progress.bar());
    let plan = PoolPlan::new(&module, &args.pool, None, Style::ByCall(past.recorded.clone()), &talk)?;
    let in_flight = plan.in_flight.clone();
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let (pool, shown) = tokio::select! {
        opened = plan.open() => opened?,
        signal = signals.next() => return Ok(Exit::Stopped(signal)),
    };
    let kept = KeptLines::default();
    resumed.tell(&talk);
    let output = Output::open(&args, resumed, kept.clone(), &talk)?;
    if is_typed {
        explain_input(task, args.input.kind(), &talk);
    }
    let feeders = Feeders::start(sources, &pool, &talk)?;
    let (reports, intake) = begin(&args, task, input, past, (&pool, feeders), kept)?;
    let watcher = Watcher::new(pool.clone(), in_flight, intake.past.recorded.clone());
    let view = (progress, watcher, talk.clone());
    let mapping = Mapping::new(pool.clone(), reports, intake, output, args.max_fail, signals, view);
    let mapped = mapping.run().await;
    abort(&pool).await;
    shown.wait().await;
    Ok(mapped.tell(&args, &Setup::new(&args, &module), &talk))
}

/// Opens the input; `None` if the flags ask for calls without any.
fn open_input(args: &MapArgs, task: &TaskInfo) -> anyhow::Result<Option<Input>> {
    let (flags, params, signature) = (&args.input, task.params(), task.signature());
    if let (Some(flag), true) = (flags.kind().flag(), params.len() != 1) {
        let count = params.len();
        bail!(
            "{flag}: a line is one argument, but `{signature}` takes {count}; give JSON instead, `[…]` a line"
        );
    }
    if flags.input.is_some() || flags.times.is_none() {
        return Input::open(flags.input.as_deref()).map(Some);
    }
    if !params.iter().all(|param| param.wit.starts_with("option<")) {
        bail!(
            "--times: `{signature}` takes arguments; give lines of them with --input FILE, or `-` for stdin"
        );
    }
    if flags.kind().flag().is_some() || args.failed_input.is_some() {
        bail!("--times: there are no lines of input without --input FILE, or `-` for stdin");
    }
    Ok(None)
}

/// Makes calls of the input, which begin when the first report is asked for.
fn begin(
    args: &MapArgs,
    task: &TaskInfo,
    input: Option<Input>,
    past: Past,
    (pool, feeders): (&Pool, Feeders),
    kept: KeptLines,
) -> anyhow::Result<(Reports<Value, Value>, Intake)> {
    let takes_text = matches!(task.params(), [only] if only.wit == "string" || only.wit == "option<string>");
    let keep_raw = args.failed_input.is_some();
    let kind = args.input.kind();
    // Only files are gone on with.
    let is_journal = args.output.as_deref().is_some_and(|path| path.as_os_str() != "-") && !args.values;
    let keys = is_journal.then(|| KeyMaker::new(task.name(), kind.flag()));
    let times = args.input.times.unwrap_or(1);
    let calls = CallsOfLines { times, recorded: past.recorded.clone() };
    let (lines, so_far) = match input {
        Some(input) => {
            let hint_at_texts = takes_text && kind == LineKind::Json;
            let rules = LineRules { kind, hint_at_texts, keep_raw, keys };
            let (lines, so_far) = input.lines(rules, calls).context("cannot start to read the input")?;
            (lines, Some(so_far))
        }
        None => (nothing(&calls, keys.map(|keys| keys.key_of(b""))), None),
    };
    let (open, closed) = oneshot::channel();
    let input_of_call = move |Line { index, input, raw, key }| {
        if keep_raw || is_journal {
            let index = usize::try_from(index).expect("a call's number fits, as no input is so long");
            kept.keep(index, Kept { key, raw });
        }
        input
    };
    let inputs = lines.map(input_of_call).take_until(closed);
    let reports = pool.raw_task(task.name())?.starmap_stream(inputs);
    let reports = if args.unordered { reports.as_completed() } else { reports };
    Ok((reports, Intake { open: Some(open), so_far, feeders, times, past }))
}
