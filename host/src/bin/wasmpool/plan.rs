//! From flags to a pool: what several flags mean together, in the flags' own words.

use std::fs::File;
use std::io;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use wasmpool::{Pool, PoolBuilder, PoolError, TaskInfo, TaskModule, Workers};

use crate::args::PoolArgs;
use crate::guest_output::{AllShown, Narrator, Style};
use crate::inputs::{LineKind, contents};
use crate::talk::Talk;

/// Enough that only a flood of guest output is shown with gaps.
const EVENT_BACKLOG: usize = 1 << 15;
/// A guest is stopped within milliseconds, so this is only for what nobody thought of.
const ABORT_TIME: Duration = Duration::from_secs(2);

/// Finds the task that a command names.
///
/// # Errors
/// There is none, or it cannot be called with JSON.
pub(crate) fn find_task<'a>(module: &'a TaskModule, name: &str) -> anyhow::Result<&'a TaskInfo> {
    let task = module.task(name).ok_or_else(|| anyhow!(module.unknown_task(name)))?;
    task.takes_json().map_err(|reason| anyhow!("task `{name}` cannot be called with JSON: {reason}"))?;
    Ok(task)
}

/// Reads the arguments of a function from texts of the command line.
///
/// # Errors
/// There are more or fewer than parameters, or one does not fit.
pub(crate) fn read_args(task: &TaskInfo, texts: &[String]) -> anyhow::Result<Vec<Value>> {
    if texts.len() != task.params().len() {
        let (wanted, given) = (task.params().len(), texts.len());
        bail!("`{}` takes {}, not {given}", task.signature(), arguments(wanted));
    }
    if texts.iter().filter(|text| *text == "@-").count() > 1 {
        bail!("only one argument can be read from stdin");
    }
    texts.iter().enumerate().map(|(index, text)| read_arg(task, index, text)).collect()
}

fn read_arg(task: &TaskInfo, index: usize, text: &str) -> anyhow::Result<Value> {
    let value = match text.strip_prefix('@') {
        None => task.arg_from_text(index, text),
        Some(literal) if literal.starts_with('@') => task.arg_from_text(index, literal),
        Some(source) => {
            let bytes = if source == "-" {
                contents(io::stdin().lock())
            } else {
                File::open(source).and_then(contents)
            };
            let bytes = bytes.with_context(|| format!("cannot read the argument `{text}`"))?;
            task.arg_from_bytes(index, &bytes)
        }
    };
    value.with_context(|| format!("`{}`", task.signature()))
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

/// A pool's settings, checked as far as the module tells.
pub(crate) struct PoolPlan {
    builder: PoolBuilder,
    all_shown: AllShown,
}

impl PoolPlan {
    /// Fits the flags to a module.
    ///
    /// # Errors
    /// The initializer is unknown or its arguments do not fit.
    pub(crate) fn new(
        module: &TaskModule,
        args: &PoolArgs,
        default_workers: Option<usize>,
        style: Style,
        talk: &Talk,
    ) -> anyhow::Result<Self> {
        let mut builder =
            args.sandboxes.apply(with_initializer(Pool::builder(module.clone()), module, args)?);
        if let Some(workers) = args.workers.or(default_workers.map(Workers::from)) {
            builder = builder.workers(workers);
        }
        if let Some(concurrency) = args.concurrency {
            builder = builder.concurrency(concurrency);
        }
        let (mut narrator, all_shown) = Narrator::new(talk, style, args.guest_output, args.verbose);
        let builder = builder.event_backlog(EVENT_BACKLOG).on_event(move |event| narrator.hear(event));
        Ok(PoolPlan { builder, all_shown })
    }

    /// Opens the pool; returns with it who waits for the end of the talk.
    ///
    /// # Errors
    /// A setting is out of range, or no sandbox opens. What a guest said about it has been shown.
    pub(crate) async fn open(self) -> anyhow::Result<(Pool, Shown)> {
        let shown = Shown(self.all_shown);
        match self.builder.build().await {
            Ok(pool) => Ok((pool, shown)),
            Err(error) => {
                shown.wait().await;
                Err(in_words_of_flags(error))
            }
        }
    }
}

/// Waits for the end of the talk.
pub(crate) struct Shown(AllShown);

impl Shown {
    /// Waits until what happened in an ended pool has been shown; not for long, as the pool may not have ended.
    pub(crate) async fn wait(self) {
        // Either way there is nothing more to do here.
        let _ = tokio::time::timeout(ABORT_TIME, self.0.wait()).await;
    }
}

fn with_initializer(
    builder: PoolBuilder,
    module: &TaskModule,
    args: &PoolArgs,
) -> anyhow::Result<PoolBuilder> {
    let named = match &args.init {
        Some(name) => {
            Some(module.task(name).ok_or_else(|| anyhow!("--init: {}", module.unknown_task(name)))?)
        }
        None => module.initializer(),
    };
    let Some(initializer) = named else {
        if args.init_args.is_empty() {
            return Ok(builder);
        }
        bail!("--init-arg: module `{}` has no initializer; name a function with --init", module.name());
    };
    let signature = initializer.signature();
    if args.init_args.len() != initializer.params().len() {
        let (wanted, given) = (initializer.params().len(), args.init_args.len());
        bail!(
            "the initializer `{signature}` takes {}: give one --init-arg for each, not {given}",
            arguments(wanted)
        );
    }
    let values = read_args(initializer, &args.init_args).context("--init-arg: the initializer")?;
    Ok(match &args.init {
        Some(name) => builder.initializer(name, values),
        None => builder.init_args(values),
    })
}

/// Returns an error of the pool with the flag's name in place of the setting's.
fn in_words_of_flags(error: PoolError) -> anyhow::Error {
    let PoolError::BadSetting { setting, problem } = &error else { return error.into() };
    let flag = match *setting {
        "workers" => "--workers",
        "concurrency" => "--concurrency",
        "initializer" => "--init",
        "init_args" => "--init-arg",
        "recycle_after" => "--recycle-after",
        "recycle_age" => "--recycle-age",
        "recycle_memory_bytes" => "--recycle-memory",
        "idle_timeout" => "--idle-timeout",
        _ => return error.into(),
    };
    anyhow!("{flag}: {problem}")
}

/// Says what to type into the terminal that input is read from.
pub(crate) fn explain_input(task: &TaskInfo, kind: LineKind, talk: &Talk) {
    let params: Vec<_> = task.params().iter().map(|param| format!("{}: {}", param.name, param.wit)).collect();
    let line = match (kind, params.as_slice()) {
        (LineKind::Text, _) => "its text".to_owned(),
        (LineKind::FileName, _) => "the name of a file".to_owned(),
        (LineKind::Json, []) => "`[]`".to_owned(),
        (LineKind::Json, [only]) => format!("the JSON of {only}"),
        (LineKind::Json, all) => format!("a JSON array [{}]", all.join(", ")),
    };
    talk.say(format!(
        "reading calls of `{}` from the terminal, one a line: {line}; Ctrl-D ends them",
        task.name()
    ));
}

/// Ends all calls and the workers. A worker that does not end is left to the end of the process.
pub(crate) async fn abort(pool: &Pool) {
    // Either way there is nothing more to do here.
    let _ = tokio::time::timeout(ABORT_TIME, pool.abort()).await;
}
