//! From flags to a pool: what several flags mean together, in the flags' own words.

use std::fs::File;
use std::io;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use wasmpool::{Pool, PoolBuilder, PoolError, TaskInfo, TaskModule, Workers};

use crate::guest_output::{AllShown, Narrator, Style};
use crate::lines::{LineKind, contents};
use crate::pool_args::PoolArgs;
use crate::report::in_flight::InFlight;
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
    /// The attempts that run.
    pub(crate) in_flight: InFlight,
}

impl PoolPlan {
    /// Fits the flags to a module.
    ///
    /// # Errors
    /// The initializer or the snapshot function is unknown, their arguments do not fit, or what is granted is not
    /// there.
    pub(crate) fn new(
        module: &TaskModule,
        args: &PoolArgs,
        default_workers: Option<usize>,
        style: Style,
        talk: &Talk,
    ) -> anyhow::Result<Self> {
        let builder = Pool::builder(module.clone()).grants(args.grants.grants()?);
        let builder = with_forerunner(builder, module, &INITIALIZER, args)?;
        let builder = with_forerunner(builder, module, &SNAPSHOT, args)?
            .snapshot_required(args.snapshot.snapshot_required)
            .snapshot_grants(args.snapshot.grants()?);
        let mut builder = args.retry.apply(args.limits.apply(args.sandboxes.apply(builder)));
        if let Some(dir) = args.cache.dir() {
            builder = builder.cache_dir(dir);
        }
        if let Some(workers) = args.workers.or(default_workers.map(Workers::from)) {
            builder = builder.workers(workers);
        }
        if let Some(concurrency) = args.concurrency {
            builder = builder.concurrency(concurrency);
        }
        let (mut narrator, all_shown) = Narrator::new(talk, style, args.guest_output, args.verbose);
        let in_flight = narrator.in_flight();
        let builder = builder.event_backlog(EVENT_BACKLOG).on_event(move |event| narrator.hear(event));
        Ok(PoolPlan { builder, all_shown, in_flight })
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

/// The flags about a function that runs before all calls.
struct ForerunnerFlags {
    role: &'static str,
    name_flag: &'static str,
    arg_flag: &'static str,
    named: fn(&PoolArgs) -> Option<&String>,
    /// The function that is named to run at the other time.
    other: fn(&PoolArgs) -> Option<&String>,
    texts: fn(&PoolArgs) -> &[String],
    marked: fn(&TaskModule) -> Option<&TaskInfo>,
    by_name: fn(PoolBuilder, &str, Vec<Value>) -> PoolBuilder,
    by_mark: fn(PoolBuilder, Vec<Value>) -> PoolBuilder,
}

const INITIALIZER: ForerunnerFlags = ForerunnerFlags {
    role: "initializer",
    name_flag: "--init",
    arg_flag: "--init-arg",
    named: |args| args.init.as_ref(),
    other: |args| args.snapshot.snapshot.as_ref(),
    texts: |args| &args.init_args,
    marked: TaskModule::initializer,
    by_name: |builder, name, values| builder.initializer(name, values),
    by_mark: |builder, values| builder.init_args(values),
};

const SNAPSHOT: ForerunnerFlags = ForerunnerFlags {
    role: "snapshot function",
    name_flag: "--snapshot",
    arg_flag: "--snapshot-arg",
    named: |args| args.snapshot.snapshot.as_ref(),
    other: |args| args.init.as_ref(),
    texts: |args| &args.snapshot.snapshot_args,
    marked: TaskModule::snapshot_function,
    by_name: |builder, name, values| builder.snapshot(name, values),
    by_mark: |builder, values| builder.snapshot_args(values),
};

fn with_forerunner(
    builder: PoolBuilder,
    module: &TaskModule,
    flags: &ForerunnerFlags,
    args: &PoolArgs,
) -> anyhow::Result<PoolBuilder> {
    let ForerunnerFlags { role, name_flag, arg_flag, .. } = flags;
    let (named, texts) = ((flags.named)(args), (flags.texts)(args));
    let function = match named {
        Some(name) => {
            Some(module.task(name).ok_or_else(|| anyhow!("{name_flag}: {}", module.unknown_task(name)))?)
        }
        None => (flags.marked)(module),
    };
    let Some(function) = function else {
        if texts.is_empty() {
            return Ok(builder);
        }
        bail!("{arg_flag}: module `{}` has no {role}; name a function with {name_flag}", module.name());
    };
    if named.is_none() && texts.is_empty() && (flags.other)(args) == Some(&function.name().to_owned()) {
        // Marked to be the one and named to be the other, it is the other.
        return Ok(builder);
    }
    let signature = function.signature();
    if texts.len() != function.params().len() {
        let (wanted, given) = (function.params().len(), texts.len());
        bail!(
            "the {role} `{signature}` takes {}: give one {arg_flag} for each, not {given}",
            arguments(wanted)
        );
    }
    let values = read_args(function, texts).with_context(|| format!("{arg_flag}: the {role}"))?;
    Ok(match named {
        Some(name) => (flags.by_name)(builder, name, values),
        None => (flags.by_mark)(builder, values),
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
        "snapshot" => "--snapshot",
        "snapshot_args" => "--snapshot-arg",
        "snapshot_grants" => "--snapshot-dir",
        "grants" => "--dir",
        "http" => "--http",
        "ca_file" => "--ca-file",
        "http_rate" => "--rate",
        "http_connections" => "--max-connections",
        "attempt_timeout" => "--timeout",
        "queue_timeout" => "--queue-timeout",
        "deadline" => "--deadline",
        "retry" => "--attempts",
        "slow_after" => "--slow-after",
        "memory_bytes" => "--memory",
        "stack_bytes" => "--stack",
        "handles" => "--max-handles",
        "opening_time" => "--opening-time",
        "snapshot_time" => "--snapshot-time",
        "compile_time" => "--compile-time",
        "net" => "--net",
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
