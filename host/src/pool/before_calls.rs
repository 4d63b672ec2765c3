//! What a pool's builder says about the time before the calls: what sandboxes may reach, the initializer, the
//! snapshot, and where snapshots are kept. The snapshot is there before the initializer runs.

use std::path::PathBuf;

use serde::Serialize;

use crate::grants::Grants;
use crate::pool::builder::PoolBuilder;
use crate::pool::setting::{ModuleSetting, tuple_of_args};

impl PoolBuilder {
    /// Sets what all sandboxes may reach. Default: nothing.
    pub fn grants(mut self, grants: Grants) -> Self {
        self.grants = grants;
        self
    }

    /// Gives the arguments, a tuple, of the initializer of the module added last.
    ///
    /// They travel as JSON: anything that serde serializes the way [`Pool::json_task`](crate::Pool::json_task) takes it.
    pub fn init_args(mut self, args: impl Serialize) -> Self {
        self.last_module(|module| module.init_args = Some(tuple_of_args(args)));
        self
    }

    /// Names an exported function of the module added last that runs once in each new sandbox, for modules
    /// without `#[init]`. If it is the one marked `#[snapshot]`, no snapshot is taken.
    pub fn initializer(mut self, task: impl Into<String>, args: impl Serialize) -> Self {
        self.last_module(|module| module.initializer = Some(task.into()));
        self.init_args(args)
    }

    /// Names an exported function of the module added last that makes its snapshot, for modules without
    /// `#[snapshot]`. It runs once, in [`build`](Self::build); all sandboxes start with the memory that it leaves,
    /// which they share until they write to it. It is no task of the pool then. If it is the one marked `#[init]`,
    /// it is not run again in each sandbox.
    ///
    /// What it leaves must do without the sandbox that it ran in, which is the SDK's care for `#[snapshot]`, and
    /// the author's elsewhere:
    /// - Files, streams and sockets that are still open make the module fall back, see
    ///   [`snapshot_required`](Self::snapshot_required).
    /// - All sandboxes share the seed of every `HashMap`, so whoever can choose its keys can make it slow in all.
    ///   Secure random numbers would be shared too, so asking for them is a trap: seed in the initializer.
    /// - An `Instant` is of a clock that starts anew in each sandbox; take a `SystemTime`.
    /// - It runs without environment, files and network, but for
    ///   [`snapshot_grants`](Self::snapshot_grants), whatever the pool's [`grants`](Self::grants) are.
    pub fn snapshot(mut self, task: impl Into<String>, args: impl Serialize) -> Self {
        self.last_module(|module| module.snapshot.function = Some(task.into()));
        self.snapshot_args(args)
    }

    /// Gives the arguments, a tuple, of the snapshot function of the module added last; see
    /// [`init_args`](Self::init_args).
    pub fn snapshot_args(mut self, args: impl Serialize) -> Self {
        self.last_module(|module| module.snapshot.args = Some(tuple_of_args(args)));
        self
    }

    /// Sets whether [`build`](Self::build) fails if no snapshot of the module added last can be taken. Default:
    /// no; then the function runs in each sandbox before the initializer, with what the sandbox may reach, and
    /// [`Event::SnapshotRefused`](crate::Event::SnapshotRefused) says why.
    ///
    /// Debug builds, SIMD and `wasm-opt` are no obstacle. Modules without a snapshot are those that change tables at run time, drop data segments, have mutable
    /// globals of type `v128`, start one core module twice or hold modules in nested components, and those whose
    /// function leaves files or streams open, as one that prints without the SDK does.
    pub fn snapshot_required(mut self, is_required: bool) -> Self {
        self.last_module(|module| module.snapshot.is_required = is_required);
        self
    }

    /// Sets what the snapshot function of the module added last may reach. Default: nothing. What it reads may
    /// have changed the next time, so its snapshot is not cached.
    pub fn snapshot_grants(mut self, grants: Grants) -> Self {
        self.last_module(|module| module.snapshot.grants = grants);
        self
    }

    /// Keeps snapshots in this folder, by content of the module, function and arguments; default: nowhere, and
    /// every pool takes its own. The folder may be that of [`ModuleLoader::cache_dir`](crate::ModuleLoader::cache_dir)
    /// and must be private like that one, or it is not used, with a warning in the log. A snapshot is not kept if
    /// its function was granted anything or read a clock. When the folder holds more than 2 GiB, what was not used
    /// for longest goes.
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(path.into());
        self
    }

    /// Gives guests host functions of the embedder's own, with the cargo feature `wasmtime-api`. The engine's types are
    /// outside semver: any release of this crate may have another engine.
    ///
    /// `define` is called for the linker of every module, that of the run of a snapshot function and that of a module
    /// that replaces another included, after everything of the pool's own, which it may stand for. Calls of several
    /// `import`s add up. Functions may be async, `func_wrap_async` and `func_wrap_concurrent`. What all sandboxes share is
    /// captured; what each sandbox keeps for itself is in [`HostState::own`](crate::HostState::own). A host function runs on
    /// the worker's event loop and should not block it, and it must not trap after an await, as then nobody knows whose
    /// call it was: return a `result` instead. Modules with a snapshot do not cache it, as the functions may answer
    /// otherwise the next time.
    ///
    /// These functions return to a call that nobody awaits any more too, as only they know what that would spoil: what WASI
    /// 0.3 provides does not.
    ///
    /// They may be async, so all modules of the pool run on the engine with concurrency support; one that has nothing async
    /// is compiled once more for it in [`build`](Self::build).
    ///
    /// # Errors
    /// [`build`](Self::build) fails with [`PoolError::CannotOpen`](crate::PoolError::CannotOpen) if `define` does, and if a
    /// module imports what nobody provides.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(module: wasmpool::TaskModule) -> Result<(), wasmpool::PoolError> {
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use wasmpool::{HostState, Pool, wasmtime};
    ///
    /// let total = Arc::new(AtomicU64::new(0));
    /// let pool = Pool::builder(module)
    ///     .import(move |linker| {
    ///         let total = total.clone();
    ///         let mut counter = linker.instance("acme:app/counter@1.0.0")?;
    ///         counter.func_wrap("add", move |_: wasmtime::StoreContextMut<'_, HostState>, (amount,): (u64,)| {
    ///             Ok((total.fetch_add(amount, Ordering::Relaxed) + amount,))
    ///         })
    ///     })
    ///     .build()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "wasmtime-api")]
    pub fn import(
        mut self,
        define: impl Fn(&mut crate::HostLinker) -> crate::Defined + Send + Sync + 'static,
    ) -> Self {
        self.imports.add(define);
        self
    }

    fn last_module(&mut self, set: impl FnOnce(&mut ModuleSetting)) {
        if let Some(module) = self.modules.last_mut() {
            set(module);
        }
    }
}
