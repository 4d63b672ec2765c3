//! A new store with all its limits in force, before any guest code runs in it.

use wasmtime::{Engine, Store};

use crate::limits::Limits;
use crate::sandbox::asking::asking_task;
use crate::sandbox::copying::typed_copy_bytes;
use crate::sandbox::state::SandboxState;

/// Makes a store whose guest is stopped where its limits are.
pub(crate) fn governed(engine: &Engine, state: SandboxState, limits: &Limits) -> Store<SandboxState> {
    let mut store = Store::new(engine, state);
    // Before anything else: a new store's deadline has passed already, and opening runs guest code.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| {
        let root = asking_task(&mut store)?;
        store.data_mut().tick(root)
    });
    store.limiter(SandboxState::limiter);
    store.set_hostcall_fuel(typed_copy_bytes(limits));
    store.set_max_component_handles(limits.handles);
    if let Some(table) = store.concurrent_resource_table() {
        // Subtasks, streams and futures as the engine keeps them: some have several entries.
        table.set_max_capacity(limits.handles.saturating_mul(4));
    }
    store
}
