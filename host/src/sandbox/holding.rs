//! Imports of WASI 0.2 that wait hold the whole store while they do, so that no other call in it can go on: each notes who
//! waits and for how long, and nobody else is blamed for that time (see `hold`). Here are the note, and the imports that
//! wait for anything; streams and files have theirs beside what else stands before them. What an import does is the
//! engine's own.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;

use crate::hold::Held;
use crate::sandbox::asking::asking_task;
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

/// A guest that holds the whole store, from the entry of an import to its end.
pub(crate) struct Holder {
    root: Option<Root>,
    held: Held,
}

impl Holder {
    /// Notes who is about to wait. Only at the import's entry.
    pub(crate) fn begin(store: &mut StoreContextMut<'_, SandboxState>) -> wasmtime::Result<Self> {
        let root = asking_task(store)?;
        Ok(Holder { root, held: store.data().begin_hold(root) })
    }

    /// Notes that the wait is over, and returns who waited.
    pub(crate) fn end(self, store: &StoreContextMut<'_, SandboxState>) -> Option<Root> {
        store.data().end_hold(self.root, self.held);
        self.root
    }
}

/// Puts notes around the imports that wait.
pub(crate) fn note_holds(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut io = linker.instance("wasi:io/poll@0.2.12")?;
    io.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move {
            let holder = Holder::begin(&mut store)?;
            let ready = poll::Host::poll(store.data_mut().ctx().table, pollables).await;
            holder.end(&store);
            Ok((ready?,))
        })
    })?;
    io.func_wrap_async("[method]pollable.block", |mut store, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move {
            let holder = Holder::begin(&mut store)?;
            let ready = poll::HostPollable::block(store.data_mut().ctx().table, pollable).await;
            holder.end(&store);
            ready
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
