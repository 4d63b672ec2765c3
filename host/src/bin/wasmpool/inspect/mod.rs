//! `wasmpool inspect`: what a module holds, for people, for programs, or as WIT. Nothing is run and nothing is built.

mod requests;
mod example;
mod sheet;

use anyhow::Context;
use serde_json::{Value, json};
use wasmpool::{Limits, TaskInfo, TaskKind, TaskModule, TimeoutAttribute};

use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::module::{built_file, load};
use crate::print::print;
use example::example_command;
use requests::requests;
use sheet::sheet;

/// Shows a module.
///
/// # Errors
/// It is no component with tasks, or a folder without one.
pub(crate) async fn inspect(args: InspectArgs) -> anyhow::Result<Exit> {
    let file = built_file(&args.module)?;
    let module = load(&file, &args.cache, &Limits::default()).await?;
    // The folder is what `run` should be given too: it is built again when it has changed.
    let command = example_command(&module, &args.module);
    let text = match (args.wit, args.json) {
        (true, _) => module.wit().context("cannot show the module")?.trim_end().to_owned(),
        (_, true) => serde_json::to_string_pretty(&for_programs(&module, command.as_deref()))?,
        _ => sheet(&module, &file, command.as_deref()),
    };
    print(&text)?;
    Ok(Exit::Done)
}

fn for_programs(module: &TaskModule, command: Option<&str>) -> Value {
    let types: Vec<_> = module
        .type_definitions()
        .iter()
        .map(|ty| json!({"name": ty.name, "interface": ty.interface, "wit": ty.wit}))
        .collect();
    json!({
        "name": module.name(),
        "digest": module.digest(),
        "bytes": module.bytes().len(),
        "docs": module.docs(),
        "async": module.has_async(),
        "tasks": module.tasks().iter().map(task_for_programs).collect::<Vec<_>>(),
        "types": types,
        "imports": module.imports(),
        "may_ask_for": requests(module.imports()),
        "notes": module.notes(),
        "command": command,
    })
}

fn task_for_programs(task: &TaskInfo) -> Value {
    let params: Vec<_> =
        task.params().iter().map(|param| json!({"name": param.name, "type": param.wit})).collect();
    let retry = task.retry().map(|retry| {
        json!({
            "attempts": retry.attempts,
            "first_delay_ms": retry.first_delay.map(|delay| delay.as_secs_f64() * 1e3),
            "max_delay_ms": retry.max_delay.map(|delay| delay.as_secs_f64() * 1e3),
            "factor": retry.factor,
            "jitter": retry.jitter,
            "within_ms": retry.within.map(|time| time.as_secs_f64() * 1e3),
            "on": retry.on,
        })
    });
    let timeout = task.timeout().map(|timeout| match timeout {
        TimeoutAttribute::Never => json!("none"),
        TimeoutAttribute::After(time) => json!(time.as_secs_f64() * 1e3),
    });
    json!({
        "name": task.name(),
        "kind": kind_name(task.kind()),
        "signature": task.signature(),
        "params": params,
        "result": task.result(),
        "docs": task.docs(),
        "async": task.is_async(),
        "takes_state": task.takes_state(),
        "idempotent": task.is_idempotent(),
        "retry": retry,
        "timeout_ms": timeout,
        "takes_json": task.takes_json().is_ok(),
        "no_json_because": task.takes_json().err(),
    })
}

fn kind_name(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Init => "init",
        TaskKind::Snapshot => "snapshot",
        _ => "task",
    }
}
