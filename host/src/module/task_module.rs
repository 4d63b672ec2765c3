//! The module as the other rooms see it: tasks with their types, and code that any pool's engine can map.
//! How one comes to be is told in `load`.

use std::fmt::{self, Debug};
use std::sync::Arc;

use wasmtime::component::{Component, ComponentExportIndex};
use wasmtime::{Engine, ResourcesRequired};

use super::artifact::{self, Artifact};
use super::attributes::TaskKind;
use super::engine::EngineKind;
use super::error::ModuleError;
use super::tasks::TaskInfo;
use super::wit::{self, TypeDefinition};

/// An answer about an unknown task lists this many names at most.
const MOST_NAMES_LISTED: usize = 20;

/// A compiled component, shared by all workers of all pools made from it. Clones are the same module.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), wasmpool::ModuleError> {
/// use wasmpool::TaskModule;
///
/// let module = TaskModule::from_file("status.wasm").await?;
/// for task in module.tasks() {
///     println!("{}", task.signature());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TaskModule {
    contents: Arc<Contents>,
    /// Its tasks, which may be fewer than those of its component.
    tasks: Arc<[TaskInfo]>,
}

/// What a load found out.
pub(crate) struct Contents {
    pub(crate) name: String,
    pub(crate) digest: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) artifact: Artifact,
    pub(crate) was_cached: bool,
    pub(crate) imports: Vec<String>,
    pub(crate) needs_concurrency: bool,
    /// Of the engines that it is compiled for.
    pub(crate) kind: EngineKind,
    pub(crate) docs: Option<String>,
    pub(crate) notes: Vec<String>,
    /// What each sandbox takes of the engine's allocator; `None` where that shows only when it is opened.
    pub(crate) needs: Option<ResourcesRequired>,
}

impl TaskModule {
    pub(crate) fn new(contents: Contents, tasks: Vec<TaskInfo>) -> Self {
        Self { contents: Arc::new(contents), tasks: tasks.into() }
    }

    /// Returns the same module with only some of its tasks to be seen.
    pub(crate) fn with_tasks(&self, tasks: Vec<TaskInfo>) -> Self {
        Self { contents: self.contents.clone(), tasks: tasks.into() }
    }

    /// Its name: what the loader was given, else the file's name without its ending, else `module`.
    pub fn name(&self) -> &str {
        &self.contents.name
    }

    /// The SHA-256 of the component's bytes, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.contents.digest
    }

    /// The component as it was loaded.
    pub fn bytes(&self) -> &[u8] {
        &self.contents.bytes
    }

    /// Its tasks in the component's order, initializer and snapshot function included.
    pub fn tasks(&self) -> &[TaskInfo] {
        &self.tasks
    }

    /// Returns the task of this name; [`unknown_task`](Self::unknown_task) helps where there is none.
    pub fn task(&self, name: &str) -> Option<&TaskInfo> {
        self.tasks().iter().find(|task| task.name() == name)
    }

    /// The function marked `#[init]`.
    pub fn initializer(&self) -> Option<&TaskInfo> {
        self.tasks().iter().find(|task| task.kind() == TaskKind::Init)
    }

    /// The function marked `#[snapshot]`.
    pub fn snapshot_function(&self) -> Option<&TaskInfo> {
        self.tasks().iter().find(|task| task.kind() == TaskKind::Snapshot)
    }

    /// Its author's docs for the module as a whole.
    pub fn docs(&self) -> Option<&str> {
        self.contents.docs.as_deref()
    }

    /// The instances and functions it imports, such as `wasi:cli/environment@0.2.6`.
    pub fn imports(&self) -> &[String] {
        &self.contents.imports
    }

    /// Returns true if there is an async function, a stream or a future anywhere in it, imports included.
    pub fn has_async(&self) -> bool {
        self.contents.needs_concurrency
    }

    /// Returns for which kind of engine it is compiled.
    pub(crate) fn engine_kind(&self) -> EngineKind {
        self.contents.kind
    }

    /// What is odd about it but did not keep it from being loaded: lines of its task section that were
    /// ignored, a cache that cannot be used.
    pub fn notes(&self) -> &[String] {
        &self.contents.notes
    }

    /// Returns true if its compiled code was found in the cache.
    pub fn was_cached(&self) -> bool {
        self.contents.was_cached
    }

    /// The named types in the signatures of all tasks, each once.
    pub fn type_definitions(&self) -> Vec<&TypeDefinition> {
        let mut found: Vec<&TypeDefinition> = Vec::new();
        for definition in self.tasks().iter().flat_map(TaskInfo::type_definitions) {
            if !found.contains(&definition) {
                found.push(definition);
            }
        }
        found
    }

    /// Returns the component's world, and the packages it refers to, as a WIT document.
    ///
    /// # Errors
    /// [`ModuleError::Wit`] if it has imports or exports that WIT has no words for.
    pub fn wit(&self) -> Result<String, ModuleError> {
        wit::print_world(self.bytes()).map_err(|source| ModuleError::Wit { source })
    }

    /// Returns what to say to someone who asked for a task that is not there: near names if there are any,
    /// else all names.
    pub fn unknown_task(&self, name: &str) -> String {
        let names = || self.tasks().iter().map(TaskInfo::name);
        let near: Vec<_> =
            names().filter(|task| is_near(name, task)).map(|task| format!("`{task}`")).collect();
        let shown = name.escape_debug();
        if !near.is_empty() {
            return format!("no task `{shown}`; did you mean {}?", near.join(" or "));
        }
        let all: Vec<_> = names().take(MOST_NAMES_LISTED).map(|task| format!("`{task}`")).collect();
        let others = match self.tasks().len() - all.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        format!("no task `{shown}`; there are {}{others}", all.join(", "))
    }

    /// Maps the compiled code into an engine made from `engine_config`. If it is of another kind, or the cache was emptied
    /// since the module was loaded, compiles it again, which takes up to a second of this thread.
    ///
    /// # Errors
    /// [`ModuleError::Refused`] if the engine wants neither the code nor the component.
    pub(crate) fn component_on(&self, engine: &Engine, kind: EngineKind) -> Result<Component, ModuleError> {
        let Contents { artifact, bytes, .. } = &*self.contents;
        if kind != self.engine_kind() {
            return artifact::compile_on(bytes, engine);
        }
        match artifact.component_on(engine) {
            Err(_) if artifact.is_file() => artifact::compile_on(bytes, engine),
            answer => answer.map_err(artifact::refused),
        }
    }

    /// Returns what each sandbox takes of the engine's allocator, if that can be known.
    pub(crate) fn needs(&self) -> Option<&ResourcesRequired> {
        self.contents.needs.as_ref()
    }

    /// Returns where a task is found in every instance of `component`, which must be this module's.
    pub(crate) fn export_index(component: &Component, task: &TaskInfo) -> Option<ComponentExportIndex> {
        let mut index = None;
        for name in task.export_path() {
            index = Some(component.get_export_index(index.as_ref(), name)?);
        }
        index
    }
}

impl Debug for TaskModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks: Vec<_> = self.tasks().iter().map(TaskInfo::name).collect();
        f.debug_struct("TaskModule")
            .field("name", &self.name())
            .field("digest", &self.digest())
            .field("tasks", &tasks)
            .finish_non_exhaustive()
    }
}

/// Returns true if `asked` is `task` but for an edit in three letters, whether or not it names the interface.
fn is_near(asked: &str, task: &str) -> bool {
    let short = task.rsplit('#').next().unwrap_or(task);
    [task, short].iter().any(|name| {
        let edits = strsim::damerau_levenshtein(asked, name);
        edits <= (name.chars().count() / 3).max(1) && edits < name.chars().count()
    })
}
