//! Stands before the imports of `wasi:filesystem` that change things, to say for the very call that asked which flag
//! would have allowed a change in a folder that is read-only. Whether it is allowed is decided behind it.

use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, Linker, LinkerInstance, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::bindings::filesystem as p3;

use crate::sandbox::asking::asking_task;
use crate::sandbox::net_imports::{Store, note};
use crate::sandbox::state::SandboxState;

type Answer<T> = wasmtime::Result<(Result<T, types::ErrorCode>,)>;
type OpenedP3 = wasmtime::Result<(Result<Resource<Descriptor>, p3::types::ErrorCode>,)>;
type OpeningP3 =
    (Resource<Descriptor>, p3::types::PathFlags, String, p3::types::OpenFlags, p3::types::DescriptorFlags);

/// Puts the notes before the imports that change things.
pub(crate) fn guard_folders(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:filesystem/preopens@0.2.12")?.func_wrap(
        "get-directories",
        |mut store: Store<'_>, (): ()| {
            let folders = preopens::Host::get_directories(&mut view(&mut store))?;
            store.data().reach.folders.handed_out(folders.iter().map(|(folder, _)| folder.rep()));
            Ok((folders,))
        },
    )?;
    guard_opening(linker)?;
    guard_changes(linker)?;
    guard_p3(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn guard_opening(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.instance("wasi:filesystem/types@0.2.12")?.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: Store<'_>,
         (folder, path_flags, path, open_flags, flags): (
            Resource<Descriptor>,
            types::PathFlags,
            String,
            types::OpenFlags,
            types::DescriptorFlags,
        )| {
            Box::new(async move {
                let number = folder.rep();
                let root = asking_task(&mut store)?;
                let would_change = flags.contains(types::DescriptorFlags::WRITE)
                    || open_flags.intersects(types::OpenFlags::CREATE | types::OpenFlags::TRUNCATE);
                let opened = types::HostDescriptor::open_at(
                    &mut view(&mut store),
                    folder,
                    path_flags,
                    path,
                    open_flags,
                    flags,
                )
                .await;
                if let Ok(opened) = &opened {
                    store.data().reach.folders.opened(number, opened.rep());
                }
                if would_change {
                    changed(&mut store, number, root, opened)
                } else {
                    answer(&mut store, opened)
                }
            })
        },
    )
}

fn guard_changes(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    macro_rules! guard_path {
        ($($name:literal $method:ident),+) => {$(
            types.func_wrap_async(
                concat!("[method]descriptor.", $name),
                |mut store: Store<'_>, (folder, path): (Resource<Descriptor>, String)| {
                    Box::new(async move {
                        let number = folder.rep();
                        let root = asking_task(&mut store)?;
                        let done =
                            types::HostDescriptor::$method(&mut view(&mut store), folder, path).await;
                        changed(&mut store, number, root, done)
                    })
                },
            )?;
        )+};
    }
    guard_path!(
        "create-directory-at" create_directory_at,
        "remove-directory-at" remove_directory_at,
        "unlink-file-at" unlink_file_at
    );
    guard_links(&mut types)?;
    types.func_wrap_async(
        "[method]descriptor.rename-at",
        |mut store: Store<'_>,
         (folder, from, into, to): (Resource<Descriptor>, String, Resource<Descriptor>, String)| {
            Box::new(async move {
                let number = folder.rep();
                let root = asking_task(&mut store)?;
                let done =
                    types::HostDescriptor::rename_at(&mut view(&mut store), folder, from, into, to).await;
                changed(&mut store, number, root, done)
            })
        },
    )
}

fn guard_links(types: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    types.func_wrap_async(
        "[method]descriptor.symlink-at",
        |mut store: Store<'_>, (folder, target, path): (Resource<Descriptor>, String, String)| {
            Box::new(async move {
                let number = folder.rep();
                let root = asking_task(&mut store)?;
                let done =
                    types::HostDescriptor::symlink_at(&mut view(&mut store), folder, target, path).await;
                changed(&mut store, number, root, done)
            })
        },
    )?;
    types.func_wrap_async(
        "[method]descriptor.link-at",
        |mut store: Store<'_>,
         (folder, flags, path, into, to): (
            Resource<Descriptor>,
            types::PathFlags,
            String,
            Resource<Descriptor>,
            String,
        )| {
            Box::new(async move {
                let number = into.rep();
                let root = asking_task(&mut store)?;
                let done =
                    types::HostDescriptor::link_at(&mut view(&mut store), folder, flags, path, into, to)
                        .await;
                changed(&mut store, number, root, done)
            })
        },
    )
}

fn guard_p3(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.instance("wasi:filesystem/preopens@0.3.0")?.func_wrap(
        "get-directories",
        |mut store: Store<'_>, (): ()| {
            let folders = p3::preopens::Host::get_directories(&mut view(&mut store))?;
            store.data().reach.folders.handed_out(folders.iter().map(|(folder, _)| folder.rep()));
            Ok((folders,))
        },
    )?;
    linker
        .instance("wasi:filesystem/types@0.3.0")?
        .func_wrap_concurrent("[method]descriptor.open-at", |accessor, opening: OpeningP3| {
            Box::pin(open_p3(accessor, opening))
        })
}

async fn open_p3(accessor: &Accessor<SandboxState>, opening: OpeningP3) -> OpenedP3 {
    let (folder, path_flags, path, open_flags, flags) = opening;
    let number = folder.rep();
    let root = accessor.with(|mut access| asking_task(&mut access.as_context_mut()))?;
    let would_change = flags.contains(p3::types::DescriptorFlags::WRITE)
        || open_flags.intersects(p3::types::OpenFlags::CREATE | p3::types::OpenFlags::TRUNCATE);
    let files = accessor.with_getter::<WasiFilesystem>(SandboxState::filesystem);
    let opened =
        p3::types::HostDescriptorWithStore::open_at(&files, folder, path_flags, path, open_flags, flags)
            .await;
    accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let opened = match opened {
            Ok(opened) => {
                store.data().reach.folders.opened(number, opened.rep());
                Ok(opened)
            }
            Err(error) => Err(p3::types::Host::convert_error_code(&mut view(&mut store), error)?),
        };
        if would_change
            && matches!(opened, Err(p3::types::ErrorCode::NotPermitted | p3::types::ErrorCode::ReadOnly))
        {
            let denial = store.data().reach.folders.denial(number);
            note(&mut store, root, denial);
        }
        Ok((opened,))
    })
}

fn view<'a>(store: &'a mut Store<'_>) -> WasiFilesystemCtxView<'a> {
    store.data_mut().filesystem()
}

fn answer<T>(store: &mut Store<'_>, answered: Result<T, FsError>) -> Answer<T> {
    match answered {
        Ok(value) => Ok((Ok(value),)),
        Err(error) => Ok((Err(types::Host::convert_error_code(&mut view(store), error)?),)),
    }
}

/// Gives the answer to a change, with a note of what was missing if it was refused.
fn changed<T>(
    store: &mut Store<'_>,
    folder: u32,
    root: Option<wasmtime::component::GuestTaskId>,
    answered: Result<T, FsError>,
) -> Answer<T> {
    let (answered,) = answer(store, answered)?;
    if matches!(answered, Err(types::ErrorCode::NotPermitted | types::ErrorCode::ReadOnly)) {
        let denial = store.data().reach.folders.denial(folder);
        note(store, root, denial);
    }
    Ok((answered,))
}
