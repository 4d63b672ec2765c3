//! A command line that works when it is pasted into a shell.

use std::path::Path;

use serde_json::Value;
use wasmpool::{TaskInfo, TaskKind, TaskModule};

use crate::shell::quote;

/// Returns a command that calls the first task that can be called from a shell; `None` if there is none.
pub(super) fn example_command(module: &TaskModule, path: &Path) -> Option<String> {
    let callable = |task: &&TaskInfo| task.kind() == TaskKind::Task && task.takes_json().is_ok();
    let task = module.tasks().iter().find(callable)?;
    let mut command = format!("wasmpool run {} {}", quote(&path_word(path)), quote(task.name()));
    for arg in example_texts(task)? {
        command += &format!(" {}", quote(&arg));
    }
    if let Some(initializer) = module.initializer() {
        for arg in example_texts(initializer)? {
            command += &format!(" --init-arg {}", quote(&arg));
        }
    }
    Some(command)
}

/// Returns a path that cannot be taken for a flag.
fn path_word(path: &Path) -> String {
    let path = path.to_string_lossy();
    if path.starts_with('-') { format!("./{path}") } else { path.into_owned() }
}

fn example_texts(task: &TaskInfo) -> Option<Vec<String>> {
    let values = task.example_args().ok()?;
    Some(values.iter().enumerate().map(|(index, value)| text_of(task, index, value)).collect())
}

/// Returns the shortest text that is read back as `value`.
fn text_of(task: &TaskInfo, index: usize, value: &Value) -> String {
    match value.as_str() {
        Some(bare) if task.arg_from_text(index, bare).is_ok_and(|read| read == *value) => bare.to_owned(),
        _ => value.to_string(),
    }
}
