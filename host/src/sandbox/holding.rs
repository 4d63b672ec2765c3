//! Imports of WASI 0.2 that wait while they hold the whole store, so that no other call in it can go on: each notes who
//! waits and for how long, and nobody else is blamed for that time (see `hold`). What they do is the engine's own.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::{poll, streams};
use wasmtime_wasi::p2::{DynInputStream, DynPollable};

use crate::sandbox::asking::asking_task;
use crate::sandbox::state::SandboxState;

/// Puts notes around the imports that wait.
pub(crate) fn note_holds(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut io = linker.instance("wasi:io/poll@0.2.12")?;
    io.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move {
            let root = asking_task(&mut store)?;
            let held = store.data().begin_hold(root);
            let ready = poll::Host::poll(store.data_mut().ctx().table, pollables).await;
            store.data().end_hold(root, held);
            Ok((ready?,))
        })
    })?;
    io.func_wrap_async("[method]pollable.block", |mut store, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move {
            let root = asking_task(&mut store)?;
            let held = store.data().begin_hold(root);
            let ready = poll::HostPollable::block(store.data_mut().ctx().table, pollable).await;
            store.data().end_hold(root, held);
            ready
        })
    })?;
    let mut io = linker.instance("wasi:io/streams@0.2.12")?;
    io.func_wrap_async(
        "[method]input-stream.blocking-read",
        |mut store, (stream, bytes): (Resource<DynInputStream>, u64)| {
            Box::new(async move {
                let root = asking_task(&mut store)?;
                let held = store.data().begin_hold(root);
                let table = store.data_mut().ctx().table;
                let read = streams::HostInputStream::blocking_read(table, stream, bytes).await;
                store.data().end_hold(root, held);
                match read {
                    Ok(bytes) => Ok((Ok(bytes),)),
                    Err(error) => {
                        let table = store.data_mut().ctx().table;
                        Ok((Err(streams::Host::convert_stream_error(table, error)?),))
                    }
                }
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
