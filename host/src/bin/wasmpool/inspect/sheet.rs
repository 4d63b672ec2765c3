//! A module for people, from the whole to the parts, ending in a command line to begin with.

use std::path::Path;

use wasmpool::{RetryAttribute, TaskInfo, TaskKind, TaskModule, TimeoutAttribute};

use super::requests::requests;

/// Returns the whole sheet, without a line end.
pub(super) fn sheet(module: &TaskModule, file: &Path, command: Option<&str>) -> String {
    let mut sheet = Sheet::default();
    let tasks = module.tasks().iter().filter(|task| task.kind() == TaskKind::Task).count();
    let plural = if tasks == 1 { "" } else { "s" };
    sheet.line(
        0,
        &format!("{}: {tasks} task{plural}, {} KiB", file.display(), module.bytes().len().div_ceil(1024)),
    );
    sheet.text(0, module.docs());
    for task in module.tasks() {
        sheet.task(task);
    }
    sheet.types(module);
    sheet.gap();
    let requests = requests(module.imports());
    let requests = if requests.is_empty() { "nothing".to_owned() } else { requests.join(", ") };
    sheet.line(0, &format!("May ask for: {requests}"));
    for note in module.notes() {
        sheet.line(0, &format!("Note: {note}"));
    }
    sheet.gap();
    match command {
        Some(command) => sheet.line(0, &format!("Try: {command}")),
        None => sheet.line(0, "None of its tasks can be called from a command line."),
    }
    sheet.text.trim_end().to_owned()
}

#[derive(Default)]
struct Sheet {
    text: String,
}

impl Sheet {
    fn line(&mut self, indent: usize, line: &str) {
        self.text += &format!("{:indent$}{}\n", "", shown(line).trim_end());
    }

    fn text(&mut self, indent: usize, text: Option<&str>) {
        for line in text.unwrap_or_default().lines() {
            self.line(indent, line);
        }
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }

    fn task(&mut self, task: &TaskInfo) {
        self.gap();
        let is_async = if task.is_async() { "async " } else { "" };
        self.line(2, &format!("{is_async}{}", task.signature()));
        self.text(6, task.docs());
        for remark in remarks(task) {
            self.line(6, &format!("[{remark}]"));
        }
    }

    fn types(&mut self, module: &TaskModule) {
        let definitions = module.type_definitions();
        if definitions.is_empty() {
            return;
        }
        self.gap();
        self.line(0, "Types:");
        for definition in definitions {
            if let Some(interface) = &definition.interface {
                self.line(2, &format!("// of {interface}"));
            }
            self.text(2, Some(&definition.wit));
        }
    }
}

fn remarks(task: &TaskInfo) -> Vec<String> {
    let kind = match task.kind() {
        TaskKind::Init => Some("runs once in each new sandbox".to_owned()),
        TaskKind::Snapshot => Some("runs once, before there are sandboxes".to_owned()),
        _ => None,
    };
    let timeout = task.timeout().map(|timeout| match timeout {
        TimeoutAttribute::Never => "no timeout".to_owned(),
        TimeoutAttribute::After(time) => format!("timeout {time:?}"),
    });
    let idempotent = task.is_idempotent().then(|| "idempotent".to_owned());
    let no_json = task.takes_json().err().map(|reason| format!("cannot be called with JSON: {reason}"));
    [kind, task.retry().map(retry), timeout, idempotent, no_json].into_iter().flatten().collect()
}

fn retry(retry: &RetryAttribute) -> String {
    let parts = [
        retry.attempts.map(|attempts| format!("attempts {attempts}")),
        retry.first_delay.map(|delay| format!("first delay {delay:?}")),
        retry.max_delay.map(|delay| format!("max delay {delay:?}")),
        retry.factor.map(|factor| format!("factor {factor}")),
        retry.jitter.map(|jitter| format!("jitter {jitter}")),
        retry.within.map(|time| format!("within {time:?}")),
        (!retry.on.is_empty()).then(|| format!("on {}", retry.on.join(", "))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "retry".to_owned() } else { format!("retry: {}", parts.join(", ")) }
}

/// Returns a line without control characters: what a module says about itself is not to be trusted.
fn shown(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
