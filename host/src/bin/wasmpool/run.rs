//! `wasmpool run`: one call, its result on stdout or its failure on stderr.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use wasmpool::{Failure, Outcome};

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::feeding::{self, Feeders};
use crate::guest_output::Style;
use crate::module::load_or_build;
use crate::plan::{PoolPlan, abort, find_task, read_args};
use crate::print::print;
use crate::report::Report;
use crate::report::sentence::what_happened;
use crate::signals::Signals;
use crate::talk::Talk;

/// So often it is looked whether the call waits for a queue that nothing more comes to.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Calls the task.
///
/// # Errors
/// It did not come to a call.
pub(crate) async fn run(args: RunArgs, talk: &Talk) -> anyhow::Result<Exit> {
    let module =
        load_or_build(&args.target.module, &args.pool.cache, &args.pool.limits.limits(), talk).await?;
    let task = find_task(&module, &args.target.task)?;
    let values = read_args(task, &args.args)?;
    let sources = feeding::open(&args.pool.queue, args.args.iter().any(|arg| arg == "@-"))?;
    let plan = PoolPlan::new(&module, &args.pool, Some(1), Style::Bare, talk)?;
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let (pool, shown) = tokio::select! {
        opened = plan.open() => opened?,
        signal = signals.next() => return Ok(Exit::Stopped(signal)),
    };
    let mut feeders = Feeders::start(sources, &pool, talk)?;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let report = pool.json_task_of_args(task.name())?.submit(values).report();
    tokio::pin!(report);
    let mut stopped_by = None;
    let started = Instant::now();
    let report = loop {
        tokio::select! {
            report = &mut report => break report?,
            _ = look.tick(), if !feeders.is_empty() => feeders.end_if_still(&pool.stats(), false),
            heard = signals.heard() => {
                let Some(signal) = heard else {
                    talk.say(format!("the call was made {:.1} s ago", started.elapsed().as_secs_f64()));
                    continue;
                };
                feeders.stop();
                let Some(first) = stopped_by.replace(signal) else {
                    talk.say(format!("{}: waiting for the call to end; once more stops it", signal.name()));
                    continue;
                };
                abort(&pool).await;
                return Ok(Exit::Stopped(first));
            }
        }
    };
    feeders.tell_what_is_left(talk);
    // What the call left running is not waited for.
    abort(&pool).await;
    shown.wait().await;
    let exit = tell(&report, task.name(), talk)?;
    Ok(match stopped_by {
        Some(signal) => Exit::Stopped(signal),
        None if feeders.had_trouble() => Exit::SomeFailed,
        None => exit,
    })
}

fn tell(report: &Report, task: &str, talk: &Talk) -> anyhow::Result<Exit> {
    match &report.outcome {
        Outcome::Completed(value) => {
            print(&value.to_string())?;
            Ok(Exit::Done)
        }
        Outcome::Failed(Failure::BadInput(problem)) => bail!("{problem}"),
        _ => {
            talk.say(format!("task {task} {}", what_happened(report).unwrap_or_default()));
            Ok(Exit::SomeFailed)
        }
    }
}
