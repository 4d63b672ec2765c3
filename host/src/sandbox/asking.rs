//! Who calls an import: the one question that every import asks which acts for a call.

use wasmtime::component::{Access, HasSelf};
use wasmtime::{AsContextMut, StoreContextMut};

use crate::module::EngineKind;
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

/// Returns whose guest code calls an import. Only at its entry, before anything is awaited; `None` if
/// the engine does not know, as in an initializer there.
pub(crate) fn asking_task(store: &mut StoreContextMut<'_, SandboxState>) -> wasmtime::Result<Option<Root>> {
    match store.data().kind {
        // There it would be an error to ask the engine.
        EngineKind::Plain => Ok(Some(Root::Only)),
        EngineKind::Concurrent => Ok(store.async_call_stack()?.last().map(Root::Task)),
    }
}

/// As [`asking_task`], of an import that sees no more of its store than that it has a state.
pub(crate) fn asking_by_access<T: 'static>(
    access: &mut Access<'_, T, HasSelf<SandboxState>>,
) -> wasmtime::Result<Option<Root>> {
    match access.get().kind {
        EngineKind::Plain => Ok(Some(Root::Only)),
        EngineKind::Concurrent => Ok(access.as_context_mut().async_call_stack()?.last().map(Root::Task)),
    }
}
