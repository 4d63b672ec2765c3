//! The code of snapshots, and the module as it is seen when a snapshot runs in its place. A snapshot is kept
//! only as compiled code: its types are those of the module, and nobody needs its component again. So finding
//! one costs no more than looking at one file.

use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use super::artifact::{self, Artifact};
use super::cache::Cache;
use super::engine::{EngineKind, compiling_engine};
use super::task_module::TaskModule;

/// Where the code of one snapshot is kept, if anywhere.
pub(crate) struct SnapshotShelf {
    place: Option<(Cache, PathBuf)>,
}

impl SnapshotShelf {
    /// Finds the place in a cache folder for what `function` makes of its arguments. Without a folder, and with
    /// one that cannot be used, which is warned of, nothing is kept.
    pub(crate) fn open(
        dir: Option<&Path>,
        module: &TaskModule,
        function: &str,
        args_text: &str,
        engine: &Engine,
    ) -> Self {
        let cache = dir.and_then(|dir| Cache::open(dir).map_err(|reason| tracing::warn!("{reason}")).ok());
        let place = cache.map(|cache| {
            let entry = cache.snapshot_entry(module.digest(), function, args_text, engine);
            (cache, entry)
        });
        SnapshotShelf { place }
    }

    /// Returns the code that is kept.
    pub(crate) fn find(&self, engine: &Engine) -> Option<Component> {
        let (_, entry) = self.place.as_ref()?;
        if Cache::is_intact(entry) { Artifact::File(entry.clone()).component_on(engine).ok() } else { None }
    }

    /// Compiles a snapshot for an engine of a kind, and keeps its code if it may be kept.
    ///
    /// # Errors
    /// The engine does not compile it.
    pub(crate) fn compile(
        &self,
        bytes: &[u8],
        engine: &Engine,
        kind: EngineKind,
        may_keep: bool,
    ) -> wasmtime::Result<Component> {
        let Some((cache, entry)) = self.place.as_ref().filter(|_| may_keep) else {
            return Component::from_binary(engine, bytes);
        };
        let compiled = Component::from_binary(compiling_engine(kind), bytes)?;
        let stored = cache.store(entry, &compiled.serialize()?).map(|()| Artifact::File(entry.clone()));
        match stored {
            // Mapped from the file, its pages are shared with every other process. It may be gone again already.
            Ok(file) => file.component_on(engine).or_else(|_| Component::from_binary(engine, bytes)),
            Err(error) => {
                tracing::warn!("{}", artifact::cannot_keep(entry, &error));
                Component::from_binary(engine, bytes)
            }
        }
    }
}

impl TaskModule {
    /// Returns the module as its snapshots are: without the function that they were made by. One that is
    /// exported by an interface stays.
    pub(crate) fn without_snapshot_function(&self, function: &str) -> TaskModule {
        let is_gone = |name: &str| name == function && !name.contains('#');
        self.with_tasks(self.tasks().iter().filter(|task| !is_gone(task.name())).cloned().collect())
    }
}
