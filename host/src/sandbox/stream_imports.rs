//! Stands before the streams of `wasi:io` 0.2: whoever writes is noted before each write, as only an import knows which
//! call's guest code it was called from, and the stream behind it serves the whole sandbox; and whoever waits is noted,
//! as he holds the whole sandbox (see `holding`).

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::streams;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, StreamResult};

use crate::sandbox::asking::asking_task;
use crate::sandbox::holding::Holder;
use crate::sandbox::state::SandboxState;

type Store<'a> = StoreContextMut<'a, SandboxState>;
type Input = Resource<DynInputStream>;
type Output = Resource<DynOutputStream>;

/// Puts the notes before the imports.
pub(crate) fn note_streams(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut io = linker.instance("wasi:io/streams@0.2.12")?;
    io.func_wrap(
        "[method]output-stream.write",
        |mut store: Store<'_>, (stream, bytes): (Output, Vec<u8>)| {
            note_writer(&mut store)?;
            let written = streams::HostOutputStream::write(store.data_mut().ctx().table, stream, bytes);
            answer(&mut store, written)
        },
    )?;
    note_waits(&mut io)?;
    note_ends(&mut io)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn note_waits(io: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    macro_rules! note_waits {
        ($($name:literal $host:ident $method:ident ($stream:ident $(, $arg:ident)*): ($($type:ty),+);)+) => {$(
            io.func_wrap_async(
                concat!("[method]", $name),
                |mut store: Store<'_>, ($stream, $($arg,)*): ($($type,)+)| {
                    Box::new(async move {
                        note_writer(&mut store)?;
                        let holder = Holder::begin(&mut store)?;
                        let table = store.data_mut().ctx().table;
                        let done = streams::$host::$method(table, $stream, $($arg),*).await;
                        holder.end(&store);
                        answer(&mut store, done)
                    })
                },
            )?;
        )+};
    }
    note_waits! {
        "input-stream.blocking-read" HostInputStream blocking_read (stream, most): (Input, u64);
        "input-stream.blocking-skip" HostInputStream blocking_skip (stream, most): (Input, u64);
        "output-stream.blocking-write-and-flush" HostOutputStream blocking_write_and_flush
            (stream, bytes): (Output, Vec<u8>);
        "output-stream.blocking-write-zeroes-and-flush" HostOutputStream blocking_write_zeroes_and_flush
            (stream, count): (Output, u64);
        "output-stream.blocking-flush" HostOutputStream blocking_flush (stream): (Output);
        "output-stream.blocking-splice" HostOutputStream blocking_splice
            (stream, from, most): (Output, Input, u64);
    }
    Ok(())
}

/// The end of a stream waits for what it has begun.
fn note_ends(io: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    macro_rules! note_ends {
        ($($name:literal $host:ident $stream:ty;)+) => {$(
            io.resource_async($name, ResourceType::host::<$stream>(), |mut store, number| {
                Box::new(async move {
                    let holder = Holder::begin(&mut store)?;
                    let table = store.data_mut().ctx().table;
                    let ended = streams::$host::drop(table, Resource::new_own(number)).await;
                    holder.end(&store);
                    ended
                })
            })?;
        )+};
    }
    note_ends! {
        "input-stream" HostInputStream DynInputStream;
        "output-stream" HostOutputStream DynOutputStream;
    }
    Ok(())
}

fn note_writer(store: &mut Store<'_>) -> wasmtime::Result<()> {
    let root = asking_task(store)?;
    let state = store.data_mut();
    state.output.set_writer(root.and_then(|task| state.roster.attempt_of(task)));
    Ok(())
}

fn answer<T>(
    store: &mut Store<'_>,
    answered: StreamResult<T>,
) -> wasmtime::Result<(Result<T, streams::StreamError>,)> {
    match answered {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => {
            let table = store.data_mut().ctx().table;
            Ok((Err(streams::Host::convert_stream_error(table, error)?),))
        }
    }
}
