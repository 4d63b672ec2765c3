//! Functions that run before all calls: the initializer in each new sandbox, the snapshot function once for
//! all of them or, where there can be no snapshot, in each too. What they print belongs to no call, and what
//! they say when they fail is told in their own words.

use std::fmt;

use wasmtime::component::{Component, Func, Instance, Val};
use wasmtime::{Store, WasmBacktrace};

use crate::failure::{Failure, OutOfMemory};
use crate::module::{TaskInfo, TaskModule};
use crate::sandbox::blame::failure;
use crate::sandbox::state::SandboxState;
use crate::values::Arg;

/// A function that runs before all calls, with its arguments.
#[derive(Clone)]
pub(crate) struct Forerunner {
    pub(crate) role: Role,
    pub(crate) task: TaskInfo,
    pub(crate) args: Vec<Arg>,
}

/// What a forerunner is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Makes the memory that a snapshot holds.
    Snapshot,
    /// Makes the state of one sandbox.
    Initializer,
}

impl fmt::Display for Forerunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::Snapshot => "snapshot function",
            Role::Initializer => "initializer",
        };
        write!(f, "{role} `{}`", self.task.name())
    }
}

impl Forerunner {
    /// Returns the arguments as one text, the same for the same arguments.
    pub(crate) fn args_text(&self) -> String {
        let types = self.task.param_types();
        let args = types.iter().zip(&self.args).map(|((_, ty), arg)| arg.to_json(ty));
        serde_json::Value::Array(args.collect()).to_string()
    }

    /// Runs the function to its end in an instance of `component`.
    ///
    /// # Errors
    /// What it returned as its error, or how it trapped; then the store is done for.
    pub(crate) async fn run(
        &self,
        store: &mut Store<SandboxState>,
        instance: &Instance,
        component: &Component,
    ) -> Result<(), String> {
        let export = TaskModule::export_index(component, &self.task)
            .ok_or_else(|| format!("{self} is not exported"))?;
        let func: Func =
            instance.get_func(&mut *store, export).ok_or_else(|| format!("{self} is no function"))?;
        let mut results = vec![Val::Bool(false); usize::from(self.task.result_type().is_some())];
        let args: Vec<_> = self.args.iter().map(Arg::to_val).collect();
        if let Err(error) = func.call_async(&mut *store, &args, &mut results).await {
            return Err(how_it_trapped(store, &self.to_string(), &error));
        }
        match results.first() {
            Some(Val::Result(Err(error))) => {
                Err(format!("{self} returned an error{}", error_text(error.as_deref())))
            }
            _ => Ok(()),
        }
    }
}

/// Says why no instance came to be: guest code trapped, or there was no room for it.
pub(crate) fn why_not_instantiated(store: &mut Store<SandboxState>, error: &wasmtime::Error) -> String {
    if let Some(out_of_memory) = error.downcast_ref::<OutOfMemory>() {
        return format!("the module cannot be instantiated: {out_of_memory}");
    }
    if error.is::<WasmBacktrace>() {
        return how_it_trapped(store, "the module's start", error);
    }
    format!("the module cannot be instantiated: {error:#}")
}

/// Says how `what` trapped, with the guest's own panic message.
fn how_it_trapped(store: &mut Store<SandboxState>, what: &str, error: &wasmtime::Error) -> String {
    let state = store.data_mut();
    let tail = state.output.finish(None);
    match failure(error, &tail, &state.limits) {
        Failure::Trapped(trap) => format!("{what} trapped: {trap}"),
        other => format!("{what} failed: {other}"),
    }
}

/// Makes a text of a function's error: the message and causes of a `task-error`, the text of a string.
fn error_text(error: Option<&Val>) -> String {
    match error {
        Some(Val::Record(fields)) => {
            let mut parts = Vec::new();
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("message", Val::String(message)) => parts.push(message.clone()),
                    ("causes", Val::List(causes)) => {
                        parts.extend(causes.iter().filter_map(|cause| match cause {
                            Val::String(cause) => Some(cause.clone()),
                            _ => None,
                        }))
                    }
                    _ => {}
                }
            }
            if parts.is_empty() { format!(": {fields:?}") } else { format!(": {}", parts.join(": ")) }
        }
        Some(Val::String(message)) => format!(": {message}"),
        Some(other) => format!(": {other:?}"),
        None => String::new(),
    }
}
