//! What all sandboxes of one module in one pool have in common, and how one is opened from it.

use std::sync::Arc;

use tokio::runtime::Builder;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower,
};
use wasmtime::{Engine, Store};

use crate::error::PoolError;
use crate::event::Teller;
use crate::grants::Grants;
use crate::limits::Limits;
use crate::module::{TaskInfo, TaskModule};
use crate::sandbox::forerunner::{Forerunner, how_it_trapped};
use crate::sandbox::imports::linker;
use crate::sandbox::state::{Pulse, SandboxState, on_epoch};
use crate::sandbox::wasi::context_with;

/// How much the host copies out of a guest for one call, as values: 26 MB of a byte list by JSON.
const HOST_COPY_BYTES: usize = 1 << 30;

/// What all sandboxes of one module in one pool have in common.
pub(crate) struct Blueprint {
    pub(crate) name: Arc<str>,
    pub(crate) module: TaskModule,
    component: Component,
    pre: InstancePre<SandboxState>,
    forerunners: Vec<Forerunner>,
    grants: Grants,
    limits: Limits,
    teller: Teller,
}

/// What a blueprint is drawn from: the module as callers see it, and the code that runs.
pub(crate) struct Foundation {
    pub(crate) name: Arc<str>,
    pub(crate) module: TaskModule,
    /// The module's own code, or that of its snapshot.
    pub(crate) component: Component,
    /// What runs in each new sandbox before its first call, in this order.
    pub(crate) forerunners: Vec<Forerunner>,
    pub(crate) grants: Grants,
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
        foundation: Foundation,
        limits: Limits,
        teller: Teller,
    ) -> Result<Self, PoolError> {
        let Foundation { name, module, component, forerunners, grants } = foundation;
        let pre = linker(engine).and_then(|linker| linker.instantiate_pre(&component)).map_err(|error| {
            PoolError::CannotOpen { module: name.to_string(), reason: format!("{error:#}") }
        })?;
        Ok(Blueprint { name, module, component, pre, forerunners, grants, limits, teller })
    }

    /// Opens a sandbox and runs the initializer in it, or whatever else runs before all calls.
    ///
    /// # Errors
    /// What the engine or the initializer said.
    pub(crate) async fn open(&self, pulse: Arc<Pulse>) -> Result<Sandbox, String> {
        let opening = async {
            let mut sandbox = self.instantiate(pulse).await?;
            for forerunner in &self.forerunners {
                forerunner.run(&mut sandbox.store, &sandbox.instance, &self.component).await?;
            }
            sandbox.store.data_mut().open();
            Ok(sandbox)
        };
        match tokio::time::timeout(self.limits.opening_time, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(self.not_open_in_time()),
        }
    }

    fn not_open_in_time(&self) -> String {
        let names: Vec<_> = self.forerunners.iter().map(Forerunner::to_string).collect();
        let among_it = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        format!(
            "not open after {:?}{among_it}; raise Limits::opening_time if it needs longer",
            self.limits.opening_time
        )
    }

    async fn instantiate(&self, pulse: Arc<Pulse>) -> Result<Sandbox, String> {
        let state = SandboxState::new(self.teller.clone(), &self.limits, pulse, context_with(&self.grants)?);
        let mut store = Store::new(self.pre.engine(), state);
        // Before anything else: a new store's deadline has passed already, and opening runs guest code.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(on_epoch);
        store.set_hostcall_fuel(HOST_COPY_BYTES);
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Sandbox { store, instance }),
            Err(error) => Err(how_it_trapped(&mut store, "the module's start", &error)),
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
