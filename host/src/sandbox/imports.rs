//! What a sandbox may import: WASI 0.2 and 0.3 as far as is granted, settings and keys, `wasmpool:host` (guest/wit), and
//! the embedder's own functions. What stands before the engine's imports, to note who asks, is put in place here.

use wasmtime::Engine;
use wasmtime::component::{Access, HasSelf, Linker};

use crate::call::AttemptId;
use crate::module::EngineKind;
use crate::sandbox::asking::asking_by_access;
use crate::sandbox::contract;
use crate::sandbox::fence::fence_sleeps;
use crate::sandbox::folder_imports::guard_folders;
use crate::sandbox::folder_imports_p3::guard_folders_p3;
use crate::sandbox::holding::note_holds;
use crate::sandbox::http_imports::{add_http_p2, add_http_p3};
use crate::sandbox::net_imports::guard_sockets;
use crate::sandbox::net_imports_p3::guard_sockets_p3;
use crate::sandbox::own_imports::OwnImports;
use crate::sandbox::queue_imports::add_queues;
use crate::sandbox::state::SandboxState;
use crate::sandbox::stores::add_stores;
use crate::sandbox::stream_imports::note_streams;

impl<T: 'static> contract::wasmpool::host::call::HostWithStore<T> for HasSelf<SandboxState> {
    fn id(mut store: Access<'_, T, Self>) -> wasmtime::Result<u64> {
        Ok(asking(&mut store)?.map_or(0, |attempt| attempt.call.get()))
    }

    fn attempt(mut store: Access<'_, T, Self>) -> wasmtime::Result<u32> {
        Ok(asking(&mut store)?.map_or(0, |attempt| attempt.attempt))
    }
}

impl contract::wasmpool::host::call::Host for SandboxState {}

impl<T: 'static> contract::wasmpool::host::progress::HostWithStore<T> for HasSelf<SandboxState> {
    fn set(mut store: Access<'_, T, Self>, done: u64, total: u64) -> wasmtime::Result<()> {
        if let Some(attempt) = asking(&mut store)? {
            store.get().tell_progress(attempt, done, total);
        }
        Ok(())
    }
}

impl contract::wasmpool::host::progress::Host for SandboxState {}

/// Returns which attempt's guest code asks; `None` in an initializer. Only a sync import can tell.
fn asking<T: 'static>(
    store: &mut Access<'_, T, HasSelf<SandboxState>>,
) -> wasmtime::Result<Option<AttemptId>> {
    let root = asking_by_access(store)?;
    Ok(root.and_then(|task| store.get().roster.attempt_of(task)))
}

/// Returns a linker with everything that this pool provides, the embedder's own functions too. What is async in its
/// types is only there where the engine has use for it.
pub(crate) fn linker(
    engine: &Engine,
    kind: EngineKind,
    own: &OwnImports,
) -> wasmtime::Result<Linker<SandboxState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    contract::wasmpool::host::call::add_to_linker::<_, HasSelf<SandboxState>>(&mut linker, |state| state)?;
    contract::wasmpool::host::progress::add_to_linker::<_, HasSelf<SandboxState>>(&mut linker, |state| {
        state
    })?;
    add_http_p2(&mut linker)?;
    note_streams(&mut linker)?;
    note_holds(&mut linker)?;
    add_stores(&mut linker)?;
    guard_sockets(&mut linker)?;
    guard_folders(&mut linker)?;
    if kind == EngineKind::Concurrent {
        wasmtime_wasi::p3::add_to_linker(&mut linker)?;
        add_queues(&mut linker)?;
        add_http_p3(&mut linker)?;
        fence_sleeps(&mut linker)?;
        guard_sockets_p3(&mut linker)?;
        guard_folders_p3(&mut linker)?;
    }
    own.define(&mut linker)?;
    Ok(linker)
}

/// Makes asking for secure random numbers a trap: for a run whose memory many sandboxes will start from.
pub(crate) fn refuse_secure_random(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    for interface in ["wasi:random/random@0.2.12", "wasi:random/random@0.3.0"] {
        let mut random = linker.instance(interface)?;
        random.func_wrap("get-random-bytes", |_, (_,): (u64,)| Err::<(Vec<u8>,), _>(SameForAll.into()))?;
        random.func_wrap("get-random-u64", |_, (): ()| Err::<(u64,), _>(SameForAll.into()))?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// A snapshot function asked for secure random numbers.
#[derive(Debug, thiserror::Error)]
#[error("secure random numbers in a snapshot would be the same in every sandbox; seed in #[init]")]
struct SameForAll;
