//! The fence around calls that nobody awaits any more: a sleep of WASI 0.3 does not return to them, so that nothing comes
//! after it. Requests, keys and values are refused where they are asked for; the sandbox goes when it holds too many.

use std::future::pending;

use wasmtime::AsContextMut;
use wasmtime::component::Linker;
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::p3::bindings::clocks::monotonic_clock::HostWithStore;

use crate::sandbox::asking::asking_task;
use crate::sandbox::state::SandboxState;

/// Puts the fence around sleeps.
pub(crate) fn fence_sleeps(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut clock = linker.instance("wasi:clocks/monotonic-clock@0.3.0")?;
    clock.func_wrap_concurrent("wait-until", |accessor, (when,): (u64,)| {
        Box::pin(async move {
            let root = accessor.with(|mut store| asking_task(&mut store.as_context_mut()))?;
            let clocks = accessor.with_getter::<WasiClocks>(SandboxState::clocks);
            <WasiClocks as HostWithStore<SandboxState>>::wait_until(&clocks, when).await?;
            if accessor.with(|mut store| store.data_mut().is_given_up(root)) {
                return pending().await;
            }
            Ok(())
        })
    })?;
    clock.func_wrap_concurrent("wait-for", |accessor, (time,): (u64,)| {
        Box::pin(async move {
            let root = accessor.with(|mut store| asking_task(&mut store.as_context_mut()))?;
            let clocks = accessor.with_getter::<WasiClocks>(SandboxState::clocks);
            <WasiClocks as HostWithStore<SandboxState>>::wait_for(&clocks, time).await?;
            if accessor.with(|mut store| store.data_mut().is_given_up(root)) {
                return pending().await;
            }
            Ok(())
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
