//! The tasks of a module: every exported function, with the engine's types for the machinery, WIT text for
//! people, and what the SDK recorded. Functions that no JSON can call are listed too, with the reason.

use std::collections::HashMap;

use serde_json::Value;
use wasmtime::Engine;
use wasmtime::component::Type;
use wasmtime::component::types::{Component, ComponentExtern, ComponentFunc, ComponentItem};

use crate::values::{Arg, BadValue, arg_from_text, bytes_arg, check_representable, example, short_type_text};

use super::attributes::{RetryAttribute, TaskAttributes, TaskKind, TimeoutAttribute};
use super::wit::{FunctionText, TypeDefinition};

/// The export by which a WASI command is known; its function is a main function, not a task.
const COMMAND_INTERFACE: &str = "wasi:cli/run";

/// A parameter of a task.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ParamInfo {
    /// Its name, in kebab-case.
    pub name: String,
    /// Its type in WIT, such as `option<user>`.
    pub wit: String,
    pub(crate) ty: Type,
}

/// A function that a module exports, and what is known about it without calling it.
#[derive(Clone, Debug)]
pub struct TaskInfo {
    name: String,
    export_path: Vec<String>,
    params: Vec<ParamInfo>,
    result: Option<(String, Type)>,
    is_async: bool,
    takes_json: Result<(), String>,
    definitions: Vec<TypeDefinition>,
    attributes: TaskAttributes,
}

impl TaskInfo {
    /// The name to call it by: `get-status`, or `demo:raw/shapes#area` for a function of an interface.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters; a task's `&State` is not among them.
    pub fn params(&self) -> &[ParamInfo] {
        &self.params
    }

    /// The type it returns in WIT, or `None` if it returns nothing.
    pub fn result(&self) -> Option<&str> {
        self.result.as_ref().map(|(wit, _)| wit.as_str())
    }

    /// One line in WIT, such as `get-status(url: string) -> result<u16, task-error>`.
    pub fn signature(&self) -> String {
        let params: Vec<_> =
            self.params.iter().map(|param| format!("{}: {}", param.name, param.wit)).collect();
        let result = self.result().map(|wit| format!(" -> {wit}")).unwrap_or_default();
        format!("{}({}){result}", self.name, params.join(", "))
    }

    /// The named types in its signature, those that others are made of first.
    pub fn type_definitions(&self) -> &[TypeDefinition] {
        &self.definitions
    }

    /// Returns true if it is an async function, so that one sandbox can have many calls of it in flight.
    pub fn is_async(&self) -> bool {
        self.is_async
    }

    /// Its author's doc comment.
    pub fn docs(&self) -> Option<&str> {
        self.attributes.docs.as_deref()
    }

    /// What it is for.
    pub fn kind(&self) -> TaskKind {
        self.attributes.kind
    }

    /// Returns true if it borrows the state that the initializer or the snapshot function returns.
    pub fn takes_state(&self) -> bool {
        self.attributes.takes_state
    }

    /// Its `#[retry(…)]`.
    pub fn retry(&self) -> Option<&RetryAttribute> {
        self.attributes.retry.as_ref()
    }

    /// Its `#[timeout(…)]`.
    pub fn timeout(&self) -> Option<TimeoutAttribute> {
        self.attributes.timeout
    }

    /// Returns true if its author says that running it twice does no harm.
    pub fn is_idempotent(&self) -> bool {
        self.attributes.is_idempotent
    }

    /// Whether its arguments and its result can be written as JSON.
    ///
    /// # Errors
    /// What stands in the way, such as "its parameter `body` holds a stream".
    pub fn takes_json(&self) -> Result<(), &str> {
        self.takes_json.as_ref().copied().map_err(String::as_str)
    }

    /// Reads the text of one argument, as on a command line: a string parameter takes the text as it is,
    /// others JSON. `index` counts parameters from 0.
    ///
    /// # Errors
    /// What does not fit, and where.
    pub fn arg_from_text(&self, index: usize, text: &str) -> Result<Value, BadValue> {
        Ok(self.given_as_text(index, text)?.to_json(&self.param(index)?.ty))
    }

    /// Reads one argument from a file's contents: a `list<u8>` takes them as they are, others as
    /// [`arg_from_text`](Self::arg_from_text) does.
    ///
    /// # Errors
    /// What does not fit, and where.
    pub fn arg_from_bytes(&self, index: usize, bytes: &[u8]) -> Result<Value, BadValue> {
        Ok(self.given_as_bytes(index, bytes.to_vec())?.to_json(&self.param(index)?.ty))
    }

    /// As [`arg_from_text`](Self::arg_from_text), for the machinery.
    pub(crate) fn given_as_text(&self, index: usize, text: &str) -> Result<Arg, BadValue> {
        let param = self.param(index)?;
        arg_from_text(&param.name, &param.ty, text)
    }

    /// As [`arg_from_bytes`](Self::arg_from_bytes), for the machinery.
    pub(crate) fn given_as_bytes(&self, index: usize, bytes: Vec<u8>) -> Result<Arg, BadValue> {
        let param = self.param(index)?;
        let bytes = match bytes_arg(&param.ty, bytes) {
            Ok(arg) => return Ok(arg),
            Err(bytes) => bytes,
        };
        match std::str::from_utf8(&bytes) {
            Ok(text) => self.given_as_text(index, text),
            Err(error) => Err(BadValue::new(format!("not UTF-8 text: {error}")).rooted_at(&param.name)),
        }
    }

    /// Makes up an argument for each parameter, for a command line to begin with.
    ///
    /// # Errors
    /// As [`takes_json`](Self::takes_json).
    pub fn example_args(&self) -> Result<Vec<Value>, &str> {
        self.takes_json()?;
        Ok(self.params.iter().map(|param| example(&param.ty)).collect())
    }

    fn param(&self, index: usize) -> Result<&ParamInfo, BadValue> {
        self.params.get(index).ok_or_else(|| {
            BadValue::new(format!("`{}` takes {} arguments", self.signature(), self.params.len()))
        })
    }

    /// The type it returns, for the machinery.
    pub(crate) fn result_type(&self) -> Option<&Type> {
        self.result.as_ref().map(|(_, ty)| ty)
    }

    /// Its parameters, for the machinery.
    pub(crate) fn param_types(&self) -> Vec<(String, Type)> {
        self.params.iter().map(|param| (param.name.clone(), param.ty.clone())).collect()
    }

    /// The exports that lead to it, outermost first.
    pub(crate) fn export_path(&self) -> &[String] {
        &self.export_path
    }
}

/// What a component exports.
pub(crate) struct Exports {
    /// Its functions, in its own order.
    pub(crate) tasks: Vec<TaskInfo>,
    /// True if it can be run as a WASI command.
    pub(crate) is_command: bool,
}

/// Lists the exported functions of a component.
pub(crate) fn list_exports(
    component: &Component,
    engine: &Engine,
    mut texts: HashMap<String, FunctionText>,
    mut recorded: HashMap<String, TaskAttributes>,
) -> Exports {
    let mut exports = Exports { tasks: Vec::new(), is_command: false };
    for (path, function) in functions(component.exports(engine), engine, &[]) {
        if is_command(&path) {
            exports.is_command = true;
            continue;
        }
        let name = path.join("#");
        let (text, attributes) = (texts.remove(&name), recorded.remove(&name).unwrap_or_default());
        exports.tasks.push(describe(name, path, &function, text, attributes));
    }
    exports
}

fn is_command(path: &[String]) -> bool {
    let [interface, _] = path else { return false };
    interface.split('@').next() == Some(COMMAND_INTERFACE)
}

/// Walks through exported instances, which may hold instances again.
fn functions<'a>(
    exports: impl Iterator<Item = (&'a str, ComponentExtern<'a>)>,
    engine: &Engine,
    outer: &[String],
) -> Vec<(Vec<String>, ComponentFunc)> {
    let mut found = Vec::new();
    for (name, export) in exports {
        let path = [outer, &[name.to_owned()]].concat();
        match export.ty {
            ComponentItem::ComponentFunc(function) => found.push((path, function)),
            ComponentItem::ComponentInstance(instance) => {
                let inner: Vec<_> = instance.exports(engine).collect();
                found.extend(functions(inner.into_iter(), engine, &path));
            }
            _ => {}
        }
    }
    found
}

fn describe(
    name: String,
    export_path: Vec<String>,
    function: &ComponentFunc,
    text: Option<FunctionText>,
    attributes: TaskAttributes,
) -> TaskInfo {
    let types: Vec<(&str, Type)> = function.params().collect();
    let result = function.results().next();
    let text =
        text.filter(|text| text.params.len() == types.len()).unwrap_or_else(|| nameless(&types, &result));
    let takes_json = can_be_json(&types, result.as_ref());
    let params = types
        .into_iter()
        .zip(text.params)
        .map(|((name, ty), wit)| ParamInfo { name: name.to_owned(), wit, ty })
        .collect();
    let result_text = text.result.unwrap_or_else(|| "…".to_owned());
    TaskInfo {
        name,
        export_path,
        params,
        result: result.map(|ty| (result_text, ty)),
        is_async: function.async_(),
        takes_json,
        definitions: text.definitions,
        attributes,
    }
}

fn can_be_json(params: &[(&str, Type)], result: Option<&Type>) -> Result<(), String> {
    for (name, ty) in params {
        check_representable(ty).map_err(|obstacle| format!("its parameter `{name}` holds {obstacle}"))?;
    }
    match result {
        Some(ty) => check_representable(ty).map_err(|obstacle| format!("its result holds {obstacle}")),
        None => Ok(()),
    }
}

/// Stands in where a function has no WIT: its types as the engine sees them, without their names.
fn nameless(params: &[(&str, Type)], result: &Option<Type>) -> FunctionText {
    FunctionText {
        params: params.iter().map(|(_, ty)| short_type_text(ty)).collect(),
        result: result.as_ref().map(short_type_text),
        definitions: Vec::new(),
    }
}
