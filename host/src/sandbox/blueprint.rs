//! What all sandboxes of one module in one pool have in common, and how one is opened from it.

use std::sync::Arc;

use tokio::runtime::Builder;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Func, Instance, InstancePre, Lift, Lower, Val,
};
use wasmtime::{Engine, Store};

use crate::error::PoolError;
use crate::event::Teller;
use crate::limits::Limits;
use crate::module::{TaskInfo, TaskModule};
use crate::sandbox::blame::trap_report;
use crate::sandbox::imports::linker;
use crate::sandbox::state::{Pulse, SandboxState, on_epoch};

/// How much the host copies out of a guest for one call, as values: 26 MB of a byte list by JSON.
const HOST_COPY_BYTES: usize = 1 << 30;

/// What all sandboxes of one module in one pool have in common.
pub(crate) struct Blueprint {
    pub(crate) name: Arc<str>,
    pub(crate) module: TaskModule,
    component: Component,
    pre: InstancePre<SandboxState>,
    initializer: Option<Initializer>,
    limits: Limits,
    teller: Teller,
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
        Ok(Blueprint { name, module, component, pre, initializer, limits, teller })
    }

    /// Opens a sandbox and runs the initializer in it.
    ///
    /// # Errors
    /// What the engine or the initializer said.
    pub(crate) async fn open(&self, pulse: Arc<Pulse>) -> Result<Sandbox, String> {
        let opening = async {
            let mut sandbox = self.instantiate(pulse).await?;
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

    async fn instantiate(&self, pulse: Arc<Pulse>) -> Result<Sandbox, String> {
        let state = SandboxState::new(self.teller.clone(), &self.limits, pulse);
        let mut store = Store::new(self.pre.engine(), state);
        // Before anything else: a new store's deadline has passed already, and opening runs guest code.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(on_epoch);
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
    pub(crate) fn probe(&self) -> Result<Sandbox, String> {
        let open = || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            let opening = async {
                tokio::time::timeout(self.limits.opening_time, self.instantiate(Pulse::new(|| false))).await
            };
            runtime.block_on(opening).map_err(|_| format!("not open after {:?}", self.limits.opening_time))?
        };
        std::thread::scope(|scope| {
            scope.spawn(open).join().unwrap_or_else(|_| Err("the host panicked".to_owned()))
        })
    }
}

impl Sandbox {
    /// Compares static types with those of an exported function.
    ///
    /// # Errors
    /// What the engine says about the first difference.
    pub(crate) fn check_types<P, R>(&mut self, export: &ComponentExportIndex) -> Result<(), String>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        match self.instance.get_typed_func::<P, R>(&mut self.store, export) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        }
    }
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
