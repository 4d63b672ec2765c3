//! What all sandboxes of one module in one pool have in common, and how one is opened from it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre};

use crate::error::PoolError;
use crate::event::Teller;
use crate::grants::Grants;
use crate::limits::Limits;
use crate::module::{TaskKind, TaskModule};
use crate::sandbox::copying::Copying;
use crate::sandbox::engine::PoolEngine;
use crate::sandbox::forerunner::{Forerunner, why_not_instantiated};
use crate::sandbox::gauges::Gauges;
use crate::sandbox::imports::linker;
use crate::sandbox::missing::why_not_linked;
use crate::sandbox::own_imports::Provisions;
use crate::sandbox::reach::Supply;
use crate::sandbox::state::SandboxState;
use crate::sandbox::store::governed;
use crate::sandbox::unopened::Unopened;
use crate::sandbox::wasi::context_with;

/// What all sandboxes of one module in one pool have in common.
pub(crate) struct Blueprint {
    pub(crate) engine: Arc<PoolEngine>,
    pub(crate) name: Arc<str>,
    pub(crate) module: TaskModule,
    component: Component,
    /// The names of its tasks, by their numbers in the pool, and where they are.
    numbers: Vec<String>,
    pub(crate) exports: Vec<Option<ComponentExportIndex>>,
    pre: InstancePre<SandboxState>,
    forerunners: Vec<Forerunner>,
    grants: Grants,
    supply: Supply,
    pub(super) limits: Limits,
    copying: Copying,
    teller: Teller,
    /// One at a time is looked at without a slot of its own.
    pub(super) probing: Mutex<()>,
    ended: Mutex<Option<oneshot::Receiver<Infallible>>>,
    _alive: oneshot::Sender<Infallible>,
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
    pub(crate) provisions: Provisions,
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
        engine: Arc<PoolEngine>,
        foundation: Foundation,
        limits: Limits,
        teller: Teller,
    ) -> Result<Self, PoolError> {
        let Foundation { name, module, component, forerunners, grants, provisions } = foundation;
        let cannot_open = |reason| PoolError::CannotOpen { module: name.to_string(), reason };
        let linker = linker(engine.engine(), engine.kind(), &provisions.imports)
            .map_err(|error| cannot_open(format!("{error:#}")))?;
        let pre = linker
            .instantiate_pre(&component)
            .map_err(|error| cannot_open(why_not_linked(&linker, &component, &error)))?;
        let supply = Supply::of(&grants, provisions.shared).map_err(cannot_open)?;
        let numbers: Vec<_> = module.tasks().iter().map(|task| task.name().to_owned()).collect();
        let exports = exports(&module, &component, &numbers);
        let (alive, ended) = oneshot::channel();
        let (probing, ended) = (Mutex::default(), Mutex::new(Some(ended)));
        let copying = Copying::of(&limits, &module);
        let blueprint = Blueprint {
            engine,
            name,
            module,
            component,
            numbers,
            exports,
            pre,
            forerunners,
            grants,
            supply,
            copying,
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
        !self.forerunners.is_empty()
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

    /// Opens a sandbox and runs the initializer in it, or whatever else runs before all calls.
    ///
    /// # Errors
    /// What the engine or the initializer said.
    pub(crate) async fn open(&self, gauges: Gauges) -> Result<Sandbox, Unopened> {
        let opening = async {
            let mut sandbox = self.instantiate(gauges).await?;
            for forerunner in &self.forerunners {
                forerunner.run(&mut sandbox.store, &sandbox.instance, &self.component).await?;
            }
            sandbox.store.data_mut().open();
            Ok(sandbox)
        };
        match tokio::time::timeout(self.limits.opening_time, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(self.not_open_in_time().into()),
        }
    }

    pub(super) fn not_open_in_time(&self) -> String {
        let names: Vec<_> = self.forerunners.iter().map(Forerunner::to_string).collect();
        let among_it = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        format!(
            "not open after {:?}{among_it}; raise Limits::opening_time (--opening-time) if it needs longer",
            self.limits.opening_time
        )
    }

    pub(super) async fn instantiate(&self, gauges: Gauges) -> Result<Sandbox, Unopened> {
        let reach = self.supply.reach();
        let wasi = context_with(&self.grants, &reach)?;
        let kind = self.engine.kind();
        let state =
            SandboxState::new(kind, self.teller.clone(), &self.limits, self.copying, gauges, wasi, reach);
        let mut store = governed(self.pre.engine(), state, &self.limits);
        match self.pre.instantiate_async(&mut store).await {
            Ok(instance) => Ok(Sandbox { store, instance }),
            Err(error) => Err(Unopened::for_reason(why_not_instantiated(&mut store, &error), &error)),
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
