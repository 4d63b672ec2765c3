//! Who calls an import: the one question that every import asks which acts for a call.

use wasmtime::StoreContextMut;
use wasmtime::component::GuestTaskId;

use crate::sandbox::state::SandboxState;

/// Returns the root of the guest task that calls an import. Only at its entry, before anything is awaited; `None` if
/// the engine does not know, as in an initializer.
pub(crate) fn asking_task(
    store: &mut StoreContextMut<'_, SandboxState>,
) -> wasmtime::Result<Option<GuestTaskId>> {
    Ok(store.async_call_stack()?.last())
}
