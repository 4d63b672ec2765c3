//! What all sandboxes of one module in one pool have in common, and how one is opened from it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Lower, Val,
};
use wasmtime::{Engine, Store};

use crate::error::PoolError;
use crate::event::Teller;
use crate::limits::Limits;
use crate::module::{TaskInfo, TaskKind, TaskModule};
use crate::sandbox::blame::trap_report;
use crate::sandbox::imports::linker;
use crate::sandbox::state::{MemoryMeter, Pulse, SandboxState, on_epoch};

/// How much the host copies out of a guest for one call, as values: 26 MB of a byte list by JSON.
const HOST_COPY_BYTES: usize = 1 << 30;

/// What all sandboxes of one module in one pool have in common.
pub(crate) struct Blueprint {
    pub(crate) name: Arc<str>,
    pub(crate) module: TaskModule,
    component: Component,
    /// The names of its tasks, by their numbers in the pool, and where they are.
    numbers: Vec<String>,
    pub(crate) exports: Vec<Option<ComponentExportIndex>>,
    pre: InstancePre<SandboxState>,
    initializer: Option<Initializer>,
    limits: Limits,
    teller: Teller,
    /// One at a time is looked at without a slot of its own.
    probing: Mutex<()>,
    ended: Mutex<Option<oneshot::Receiver<Infallible>>>,
    _alive: oneshot::Sender<Infallible>,
}

/// A function that runs once in each new sandbox before its first call.
pub(crate) struct Initializer {
    pub(crate) task: TaskInfo,
    pub(crate) args: Vec<Val>,
}

/// A store with an instance in it, ready for calls.
pub(crate) struct Sandbox {
    pub(crate) store: Store<SandboxState>,
    pub(crate) instance: Instance,
}

/// A sandbox without initialized state, to compare types with.
pub(crate) struct Probe<'a> {
    // Gone before the next one may be opened.
    sandbox: Sandbox,
    _turn: MutexGuard<'a, ()>,
}

impl Blueprint {
    /// Links a module to what the pool provides.
    ///
    /// # Errors
    /// [`PoolError::CannotOpen`] when it imports something else, naming it.
    pub(crate) fn draw(
        engine: &Engine,
        name: Arc<str>,
        module: TaskModule,
        initializer: Option<Initializer>,
        limits: Limits,
        teller: Teller,
    ) -> Result<Self, PoolError> {
        let cannot_open = |error: wasmtime::Error| PoolError::CannotOpen {
            module: name.to_string(),
            reason: format!("{error:#}"),
        };
        let component = module.component_on(engine).map_err(|error| cannot_open(error.into()))?;
        let pre =
            linker(engine).and_then(|linker| linker.instantiate_pre(&component)).map_err(cannot_open)?;
        let numbers: Vec<_> = module.tasks().iter().map(|task| task.name().to_owned()).collect();
        let exports = exports(&module, &component, &numbers);
        let (alive, ended) = oneshot::channel();
        let (probing, ended) = (Mutex::default(), Mutex::new(Some(ended)));
        let blueprint = Blueprint {
            name,
            module,
            component,
            numbers,
            exports,
            pre,
            initializer,
            limits,
            teller,
            probing,
            ended,
            _alive: alive,
        };
        Ok(blueprint)
    }

    /// Gives its tasks the numbers that they have in the module it is to replace; new ones come after them.
    ///
    /// # Errors
    /// Which task it lacks, or has with other types.
    pub(crate) fn number_like(&mut self, old: &Blueprint) -> Result<(), String> {
        for task in old.module.tasks().iter().filter(|task| task.kind() == TaskKind::Task) {
            let Some(new) = self.module.task(task.name()) else {
                return Err(format!("the new module has no task `{}`", task.signature()));
            };
            let has_same_types =
                new.signature() == task.signature() && new.type_definitions() == task.type_definitions();
            if !has_same_types {
                return Err(format!("`{}` is `{}` in the new module", task.signature(), new.signature()));
            }
        }
        let own = std::mem::take(&mut self.numbers);
        self.numbers = old.numbers.clone();
        self.numbers.extend(own.into_iter().filter(|name| old.number_of(name).is_none()));
        self.exports = exports(&self.module, &self.component, &self.numbers);
        Ok(())
    }

    /// Returns true if a function runs in each new sandbox before its first call.
    pub(crate) fn has_initializer(&self) -> bool {
        self.initializer.is_some()
    }

    pub(crate) fn number_of(&self, task: &str) -> Option<usize> {
        self.numbers.iter().position(|name| name == task)
    }

    /// Returns what resolves when everybody has let go of this blueprint, its last sandbox included. Once only.
    pub(crate) fn end(&self) -> impl Future<Output = ()> + use<> {
        let ended = self.ended.lock().expect("no holder of this lock panics").take();
        async move {
            if let Some(ended) = ended {
                // Nothing is ever sent; the end is that the sender is dropped.
                let _ = ended.await;
            }
        }
    }

    /// Opens a sandbox and runs the initializer in it.
    ///
    /// # Errors
    /// What the engine or the initializer said.
    pub(crate) async fn open(&self, pulse: Arc<Pulse>, memory: Arc<MemoryMeter>) -> Result<Sandbox, String> {
        let opening = async {
            let mut sandbox = self.instantiate(pulse, memory).await?;
            self.initialize(&mut sandbox).await?;
            sandbox.store.data_mut().open();
            Ok(sandbox)
        };
        match tokio::time::timeout(self.limits.opening_time, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(format!(
                "not open after {:?}{}; raise Limits::opening_time if it needs longer",
                self.limits.opening_time,
                match &self.initializer {
                    Some(initializer) => format!(" (initializer `{}`)", initializer.task.name()),
                    None => String::new(),
                }
            )),
        }
    }

    /// Opens a sandbox in full, on a thread of its own, and throws it away.
    ///
    /// # Errors
    /// What the engine or the initializer said.
    pub(crate) async fn try_opening(self: Arc<Self>) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        let open = move || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            let opened = runtime.block_on(self.open(Pulse::new(|| false), Arc::default())).map(drop);
            runtime.shutdown_background();
            opened
        };
        let thread = std::thread::Builder::new().name("wasmpool-open".to_owned());
        // Nobody waits for an answer whose future was dropped.
        thread.spawn(move || drop(answer.send(open()))).map_err(|error| error.to_string())?;
        answered.await.unwrap_or_else(|_| Err("the host panicked".to_owned()))
    }

    async fn instantiate(&self, pulse: Arc<Pulse>, memory: Arc<MemoryMeter>) -> Result<Sandbox, String> {
        let state = SandboxState::new(self.teller.clone(), &self.limits, pulse, memory);
        let mut store = Store::new(self.pre.engine(), state);
        // Before anything else: a new store's deadline has passed already, and opening runs guest code.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(on_epoch);
        store.limiter(SandboxState::limiter);
        store.set_hostcall_fuel(HOST_COPY_BYTES);
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Sandbox { store, instance }),
            Err(error) => Err(told(&mut store, "the module's start", &error)),
        }
    }

    async fn initialize(&self, sandbox: &mut Sandbox) -> Result<(), String> {
        let Some(initializer) = &self.initializer else { return Ok(()) };
        let Sandbox { store, instance } = sandbox;
        let what = format!("initializer `{}`", initializer.task.name());
        let export = self.export(&initializer.task).ok_or_else(|| format!("{what} is not exported"))?;
        let func: Func =
            instance.get_func(&mut *store, export).ok_or_else(|| format!("{what} is no function"))?;
        let mut results = vec![Val::Bool(false); usize::from(initializer.task.result_type().is_some())];
        if let Err(error) = func.call_async(&mut *store, &initializer.args, &mut results).await {
            return Err(told(store, &what, &error));
        }
        match results.first() {
            Some(Val::Result(Err(error))) => {
                Err(format!("{what} returned an error{}", error_text(error.as_deref())))
            }
            _ => Ok(()),
        }
    }

    /// Returns where a task is found in every instance.
    pub(crate) fn export(&self, task: &TaskInfo) -> Option<ComponentExportIndex> {
        TaskModule::export_index(&self.component, task)
    }

    /// Opens a sandbox without initializing it, to compare types with. Waits for that on a thread of its own,
    /// because the caller's may belong to any kind of event loop.
    ///
    /// # Errors
    /// What the engine says.
    pub(crate) fn probe(&self) -> Result<Probe<'_>, String> {
        let turn = self.probing.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            let opening = async {
                tokio::time::timeout(
                    self.limits.opening_time,
                    self.instantiate(Pulse::new(|| false), Arc::default()),
                )
                .await
            };
            runtime.block_on(opening).map_err(|_| format!("not open after {:?}", self.limits.opening_time))?
        };
        let sandbox = std::thread::scope(|scope| {
            scope.spawn(open).join().unwrap_or_else(|_| Err("the host panicked".to_owned()))
        })?;
        Ok(Probe { sandbox, _turn: turn })
    }
}

impl Probe<'_> {
    /// Compares static types with those of an exported function.
    ///
    /// # Errors
    /// What the engine says about the first difference.
    pub(crate) fn check_types<P, R>(&mut self, export: &ComponentExportIndex) -> Result<(), String>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let Sandbox { store, instance } = &mut self.sandbox;
        match instance.get_typed_func::<P, R>(store, export) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        }
    }
}

/// Finds the tasks of these names in a component.
fn exports(
    module: &TaskModule,
    component: &Component,
    names: &[String],
) -> Vec<Option<ComponentExportIndex>> {
    names.iter().map(|name| TaskModule::export_index(component, module.task(name)?)).collect()
}

/// Says how an opening trapped, with the guest's own panic message.
fn told(store: &mut Store<SandboxState>, what: &str, error: &wasmtime::Error) -> String {
    let tail = store.data_mut().output.finish(None);
    format!("{what} trapped: {}", trap_report(error, &tail))
}

/// Makes a text of an initializer's error: the message and causes of a `task-error`, the text of a string.
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
