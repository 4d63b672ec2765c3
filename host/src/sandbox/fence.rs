//! The fence around calls that nobody awaits any more: what waits in an import of WASI 0.3 does not return to them, so that
//! nothing comes after it. Here are the fence and the sleeps behind it; the other imports have theirs beside what else
//! stands before them. Requests, keys and values are refused where they are asked for; the sandbox goes when it holds
//! too many.

use std::future::pending;

use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, Linker};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock::HostWithStore;

use crate::sandbox::asking::asking_task;
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

/// Who calls an import that others may be in at the same time, and whether it may return.
#[derive(Clone, Copy)]
pub(crate) struct Fence {
    pub(crate) root: Option<Root>,
}

impl Fence {
    /// Notes who calls. Only at the import's entry, before anything is awaited.
    pub(crate) fn enter(accessor: &Accessor<SandboxState>) -> wasmtime::Result<Self> {
        Ok(Fence { root: accessor.with(|mut store| asking_task(&mut store.as_context_mut()))? })
    }

    /// Returns at once to a call that somebody awaits, and never to another: its caller has been told that it failed,
    /// and what it would do now nobody expects.
    pub(crate) async fn pass(self, accessor: &Accessor<SandboxState>) {
        if accessor.with(|mut store| store.data_mut().is_given_up(self.root)) {
            pending::<()>().await;
        }
    }
}

/// Puts the fence around sleeps.
pub(crate) fn fence_sleeps(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.3.0")?;
    macro_rules! fence_sleeps {
        ($($name:literal $method:ident),+) => {$(
            clock.func_wrap_concurrent($name, |accessor, (time,): (u64,)| {
                Box::pin(async move {
                    let fence = Fence::enter(accessor)?;
                    let clocks = accessor.with_getter::<WasiClocks>(SandboxState::clocks);
                    <WasiClocks as HostWithStore<SandboxState>>::$method(&clocks, time).await?;
                    fence.pass(accessor).await;
                    Ok(())
                })
            })?;
        )+};
    }
    fence_sleeps!("wait-until" wait_until, "wait-for" wait_for);
    linker.allow_shadowing(false);
    Ok(())
}
