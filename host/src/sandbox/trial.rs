//! Sandboxes that serve no calls: one is looked at for its types, one is opened to see whether it opens. Both have
//! places of their own beside the slots that calls wait for.

use std::sync::{Arc, MutexGuard, PoisonError};

use tokio::runtime::Builder;
use wasmtime::component::{ComponentExportIndex, ComponentNamedList, Lift, Lower};

use crate::own_thread::on_own_thread;
use crate::sandbox::blueprint::{Blueprint, Sandbox};
use crate::sandbox::engine::Slot;
use crate::sandbox::gauges::Gauges;

/// A sandbox without initialized state, to compare types with.
pub(crate) struct Probe<'a> {
    // Gone before the next one may be opened.
    sandbox: Sandbox,
    _turn: MutexGuard<'a, ()>,
}

impl Blueprint {
    /// Opens a sandbox in full, on a thread of its own, and throws it away.
    ///
    /// # Errors
    /// What the engine or the initializer said.
    pub(crate) async fn try_opening(self: Arc<Self>, slot: Slot) -> Result<(), String> {
        let open = move || {
            let runtime =
                Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            let opened = runtime.block_on(self.open(Gauges::unread()));
            // A guest's unfinished file operation must not hold up the end.
            runtime.shutdown_background();
            let opened = opened.map(drop).map_err(|unopened| unopened.reason);
            // Free only now that the sandbox is gone.
            drop(slot);
            opened
        };
        let opened = on_own_thread("wasmpool-open", open).await;
        opened.unwrap_or_else(|no_answer| Err(no_answer.to_string()))
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
                tokio::time::timeout(self.limits.opening_time, self.instantiate(Gauges::unread())).await
            };
            runtime
                .block_on(opening)
                .map_err(|_| self.not_open_in_time())?
                .map_err(|unopened| unopened.reason)
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
