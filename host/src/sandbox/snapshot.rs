//! Takes a snapshot: runs a module's snapshot function once, in a store and on an engine that nothing else
//! uses, and writes the memory that it leaves into a new component. The run has no environment, files or
//! network unless granted, and random numbers that are always the same; who asks for secure ones is told that
//! every sandbox would share them. It all happens on a thread of its own, because the function may compute
//! for long, the caller may be on any event loop, and the library that rewrites the component may panic.
//! What a module is refused for is what that library cannot record: see [`Untaken::Refused`].

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use wasmparser::{Parser, Payload};
use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, WasmList};
use wasmtime::{Engine, Store};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::event::Teller;
use crate::grants::Grants;
use crate::limits::Limits;
use crate::module::{EngineKind, SnapshotShelf, TaskModule};
use crate::own_thread::on_own_thread;
use crate::sandbox::copying::Copying;
use crate::sandbox::engine::{PoolEngine, PoolEngines};
use crate::sandbox::forerunner::{Forerunner, why_not_instantiated};
use crate::sandbox::gauges::Gauges;
use crate::sandbox::imports::{linker, refuse_secure_random};
use crate::sandbox::missing::why_not_linked;
use crate::sandbox::own_imports::OwnImports;
use crate::sandbox::reach::{Shared, Supply};
use crate::sandbox::state::SandboxState;
use crate::sandbox::store::governed;
use crate::sandbox::wasi::{ClockUse, context_with};

/// A snapshot to be taken.
pub(crate) struct SnapshotRun {
    pub(crate) module: TaskModule,
    pub(crate) function: Forerunner,
    /// The function's arguments as text; the same arguments have the same text.
    pub(crate) args_text: String,
    pub(crate) grants: Grants,
    /// The embedder's own host functions, which may answer otherwise the next time.
    pub(crate) imports: OwnImports,
    pub(crate) limits: Limits,
    pub(crate) teller: Teller,
}

/// Why there is no snapshot.
#[derive(Debug)]
pub(crate) enum Untaken {
    /// There can be none of this module, but its function may well run in each sandbox.
    Refused(String),
    /// The function failed, as it would in each sandbox.
    Failed(String),
}

/// A component whose memory holds what the function built.
pub(crate) struct Taken {
    pub(crate) bytes: Vec<u8>,
    /// False if the function had more to go by than its arguments.
    is_reproducible: bool,
}

impl SnapshotRun {
    /// Returns the code of the snapshot, which is kept in `cache_dir` if it depends on nothing but what it
    /// is found by.
    ///
    /// # Errors
    /// [`Untaken`] says whether the module or its function is to blame.
    pub(crate) async fn code(
        self,
        pool_engine: Arc<PoolEngine>,
        cache_dir: Option<PathBuf>,
    ) -> Result<Component, Untaken> {
        on_snapshot_thread(move |unwanted| {
            let dir = cache_dir.as_deref().filter(|_| self.is_given_nothing());
            let (name, engine) = (self.function.task.name(), pool_engine.engine());
            let shelf = SnapshotShelf::open(dir, &self.module, name, &self.args_text, engine);
            if let Some(code) = shelf.find(engine) {
                return Ok(code);
            }
            let taken = self.take(unwanted)?;
            let compiled = shelf.compile(&taken.bytes, engine, pool_engine.kind(), taken.is_reproducible);
            compiled.map_err(|error| refused(&error))
        })
        .await
    }

    /// Returns the snapshot as a component.
    ///
    /// # Errors
    /// As [`code`](Self::code).
    pub(crate) async fn component(self) -> Result<Vec<u8>, Untaken> {
        on_snapshot_thread(move |unwanted| self.take(unwanted).map(|taken| taken.bytes)).await
    }

    /// Takes the snapshot; blocks. Ends early when `unwanted` does.
    fn take(&self, unwanted: oneshot::Receiver<()>) -> Result<Taken, Untaken> {
        let mut wizer = Wizer::new();
        let name = self.function.task.name();
        wizer.init_func(name).keep_init_func(is_core_export(self.module.bytes(), name));
        let (context, instrumented) =
            wizer.instrument_component(self.module.bytes()).map_err(|error| refused(&error))?;
        let failed = |error: &dyn std::fmt::Display| Untaken::Failed(error.to_string());
        // On its own engines nothing else is ticked or counted; that with concurrency support runs any module.
        let engines = PoolEngines::new(&self.limits);
        let engine = engines.of(EngineKind::Concurrent).map_err(|error| failed(&error))?;
        let component =
            Component::from_binary(engine.engine(), &instrumented).map_err(|error| refused(&error))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
        let taken = runtime.block_on(async {
            let run = tokio::time::timeout(self.limits.snapshot_time, self.run(&component, &wizer, &context));
            tokio::select! {
                taken = run => taken.unwrap_or_else(|_| Err(self.not_done_in_time())),
                _ = unwanted => Err(failed(&"nobody waits for it any more")),
            }
        });
        // A file operation that hangs holds nobody up.
        runtime.shutdown_background();
        taken
    }

    fn is_given_nothing(&self) -> bool {
        self.grants.is_none() && self.imports.is_empty()
    }

    fn not_done_in_time(&self) -> Untaken {
        Untaken::Failed(format!(
            "{} has not ended after {:?}; raise Limits::snapshot_time (--snapshot-time) if it needs longer",
            self.function, self.limits.snapshot_time
        ))
    }

    async fn run(
        &self,
        component: &Component,
        wizer: &Wizer,
        context: &ComponentContext<'_>,
    ) -> Result<Taken, Untaken> {
        let clocks = ClockUse::default();
        let mut store = self.store(component.engine(), &clocks)?;
        let instance = self.instantiate(&mut store, component).await.map_err(Untaken::Failed)?;
        let ran = self.function.run(&mut store, &instance, component).await;
        store.data().output.finish_all();
        ran.map_err(Untaken::Failed)?;
        if !store.data().holds_nothing() {
            return Err(Untaken::Refused(format!(
                "{} left files or streams open, which a new sandbox does not have",
                self.function
            )));
        }
        // The whole memory is copied out as one value.
        store.set_hostcall_fuel(usize::MAX);
        let bytes = read_memory(store, instance, wizer, context).await?;
        Ok(Taken { bytes, is_reproducible: self.is_given_nothing() && !clocks.was_read() })
    }

    fn store(&self, engine: &Engine, clocks: &ClockUse) -> Result<Store<SandboxState>, Untaken> {
        // A store of its own, empty at first and then forgotten: what the run keeps there is no part of its memory.
        let shared = Shared::within(&self.limits, &self.teller);
        let reach = Supply::of(&self.grants, shared).map_err(Untaken::Failed)?.reach();
        let mut wasi =
            context_with(&self.grants, &reach).map_err(|unopened| Untaken::Failed(unopened.reason))?;
        if !self.grants.is_deterministic() {
            clocks.watch(&mut wasi);
        }
        let (limits, copying) = (&self.limits, Copying::by_types_only(&self.limits));
        let state = SandboxState::new(
            EngineKind::Concurrent,
            self.teller.clone(),
            limits,
            copying,
            Gauges::unread(),
            wasi,
            reach,
        );
        Ok(governed(engine, state, &self.limits))
    }

    async fn instantiate(
        &self,
        store: &mut Store<SandboxState>,
        component: &Component,
    ) -> Result<Instance, String> {
        let mut linker = linker(component.engine(), EngineKind::Concurrent, &self.imports)
            .map_err(|error| format!("{error:#}"))?;
        refuse_secure_random(&mut linker).map_err(|error| format!("{error:#}"))?;
        let pre =
            linker.instantiate_pre(component).map_err(|error| why_not_linked(&linker, component, &error))?;
        let instantiated = pre.instantiate_async(&mut *store).await;
        instantiated.map_err(|error| why_not_instantiated(store, &error))
    }
}

/// Returns true if a core module in a component exports this name. Then the component goes on exporting it too:
/// where Wizer takes an export away, it takes it from core modules as well, which others may need it of.
fn is_core_export(bytes: &[u8], name: &str) -> bool {
    Parser::new(0).parse_all(bytes).flatten().any(|payload| match payload {
        Payload::ExportSection(exports) => exports.into_iter().flatten().any(|export| export.name == name),
        _ => false,
    })
}

fn refused(error: &wasmtime::Error) -> Untaken {
    Untaken::Refused(format!("{error:#}"))
}

/// Does `work` on a thread of its own. What it is given ends when nobody waits for the answer any more.
async fn on_snapshot_thread<T: Send + 'static>(
    work: impl FnOnce(oneshot::Receiver<()>) -> Result<T, Untaken> + Send + 'static,
) -> Result<T, Untaken> {
    let (_wanted, unwanted) = oneshot::channel();
    let answer = on_own_thread("wasmpool-snapshot", move || work(unwanted)).await;
    answer.unwrap_or_else(|no_answer| Err(Untaken::Refused(no_answer.to_string())))
}

/// Writes the state of an instance into a component.
async fn read_memory(
    store: Store<SandboxState>,
    instance: Instance,
    wizer: &Wizer,
    context: &ComponentContext<'_>,
) -> Result<Vec<u8>, Untaken> {
    let (trouble, troubled) = oneshot::channel();
    let mut reader = Reader { store, instance, trouble: Some(trouble) };
    let snapshot = wizer.snapshot_component(context, &mut reader);
    let told = troubled.then(async |error| match error {
        Ok(error) => error,
        // The reader is done and was content.
        Err(_) => std::future::pending().await,
    });
    tokio::select! {
        bytes = snapshot => bytes.map_err(|error| refused(&error)),
        error = told => Err(refused(&error)),
    }
}

/// Reads memories and globals by the functions that were added to the component for it.
struct Reader {
    store: Store<SandboxState>,
    instance: Instance,
    /// Hears why something cannot be read. There is no way to return it, so the reader stops there.
    trouble: Option<oneshot::Sender<wasmtime::Error>>,
}

impl Reader {
    async fn read<R, T>(
        &mut self,
        interface: &str,
        name: &str,
        take: impl FnOnce(&Store<SandboxState>, R) -> T,
    ) -> T
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        match self.call(interface, name).await {
            Ok(value) => take(&self.store, value),
            Err(error) => {
                if let Some(trouble) = self.trouble.take() {
                    // Whoever waits for the memory waits for this too.
                    let _ = trouble.send(error);
                }
                std::future::pending().await
            }
        }
    }

    async fn call<R>(&mut self, interface: &str, name: &str) -> wasmtime::Result<R>
    where
        R: Lift + Send + Sync + 'static,
        (R,): ComponentNamedList + Lift,
    {
        let missing = || wasmtime::format_err!("`{interface}#{name}` is not there");
        let interface = self.instance.get_export_index(&mut self.store, None, interface);
        let interface = interface.ok_or_else(missing)?;
        let func = self.instance.get_export_index(&mut self.store, Some(&interface), name);
        let func = func.ok_or_else(missing)?;
        let func = self.instance.get_typed_func::<(), (R,)>(&mut self.store, func)?;
        Ok(func.call_async(&mut self.store, ()).await?.0)
    }
}

impl ComponentInstanceState for Reader {
    async fn call_func_ret_list_u8(
        &mut self,
        interface: &str,
        name: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        self.read(interface, name, |store, bytes: WasmList<u8>| contents(bytes.as_le_slice(store))).await
    }

    async fn call_func_ret_s32(&mut self, interface: &str, name: &str) -> i32 {
        self.read(interface, name, |_, value| value).await
    }

    async fn call_func_ret_s64(&mut self, interface: &str, name: &str) -> i64 {
        self.read(interface, name, |_, value| value).await
    }

    async fn call_func_ret_f32(&mut self, interface: &str, name: &str) -> u32 {
        self.read(interface, name, |_, value: f32| value.to_bits()).await
    }

    async fn call_func_ret_f64(&mut self, interface: &str, name: &str) -> u64 {
        self.read(interface, name, |_, value: f64| value.to_bits()).await
    }
}
