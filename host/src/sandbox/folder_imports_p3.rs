//! Stands before the imports of `wasi:filesystem` 0.3, as its sister does for 0.2: to say which flag would have allowed
//! a change in a folder that is read-only, and to return no more to a call that nobody awaits (see `fence`). Here several
//! calls may be on their way at once, and none holds up the others.

use wasmtime::AsContextMut;
use wasmtime::component::{Accessor, Linker, LinkerInstance, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p3::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p3::filesystem::FilesystemError;

use crate::sandbox::fence::Fence;
use crate::sandbox::net_imports::{Store, note};
use crate::sandbox::state::SandboxState;

type File = Resource<Descriptor>;
type Answer<T> = wasmtime::Result<(Result<T, types::ErrorCode>,)>;
type Opening = (File, types::PathFlags, String, types::OpenFlags, types::DescriptorFlags);

/// Puts the notes and the fence before the imports.
pub(crate) fn guard_folders_p3(linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:filesystem/preopens@0.3.0")?.func_wrap(
        "get-directories",
        |mut store: Store<'_>, (): ()| {
            let folders = preopens::Host::get_directories(&mut view(&mut store))?;
            store.data().reach.folders.handed_out(folders.iter().map(|(folder, _)| folder.rep()));
            Ok((folders,))
        },
    )?;
    let mut types = linker.instance("wasi:filesystem/types@0.3.0")?;
    types.func_wrap_concurrent("[method]descriptor.open-at", |accessor, opening: Opening| {
        Box::pin(open(accessor, opening))
    })?;
    guard_methods(&mut types)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn guard_methods(types: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    macro_rules! guard {
        ($($name:literal $method:ident ($($arg:ident),+): ($($type:ty),+) $(changes $($folder:ident),+)?;)+) => {$(
            types.func_wrap_concurrent(
                concat!("[method]descriptor.", $name),
                |accessor, ($($arg,)+): ($($type,)+)| {
                    Box::pin(async move {
                        let changes = [$($($folder.rep()),+)?];
                        let fence = Fence::enter(accessor)?;
                        let files = accessor.with_getter::<WasiFilesystem>(SandboxState::filesystem);
                        let done = types::HostDescriptorWithStore::$method(&files, $($arg),+).await;
                        fence.pass(accessor).await;
                        answer(accessor, fence, changes, done)
                    })
                },
            )?;
        )+};
    }
    guard! {
        "advise" advise (file, offset, length, advice): (File, u64, u64, types::Advice);
        "create-directory-at" create_directory_at (folder, path): (File, String) changes folder;
        "get-flags" get_flags (file): (File);
        "get-type" get_type (file): (File);
        "link-at" link_at (folder, flags, path, into, to): (File, types::PathFlags, String, File, String)
            changes into;
        "metadata-hash" metadata_hash (file): (File);
        "metadata-hash-at" metadata_hash_at (folder, flags, path): (File, types::PathFlags, String);
        "readlink-at" readlink_at (folder, path): (File, String);
        "remove-directory-at" remove_directory_at (folder, path): (File, String) changes folder;
        "rename-at" rename_at (folder, from, into, to): (File, String, File, String) changes folder, into;
        "set-size" set_size (file, size): (File, u64) changes file;
        "set-times" set_times (file, read, written): (File, types::NewTimestamp, types::NewTimestamp)
            changes file;
        "set-times-at" set_times_at (folder, flags, path, read, written):
            (File, types::PathFlags, String, types::NewTimestamp, types::NewTimestamp) changes folder;
        "stat" stat (file): (File);
        "stat-at" stat_at (folder, flags, path): (File, types::PathFlags, String);
        "symlink-at" symlink_at (folder, target, path): (File, String, String) changes folder;
        "sync" sync (file): (File);
        "sync-data" sync_data (file): (File);
        "unlink-file-at" unlink_file_at (folder, path): (File, String) changes folder;
    }
    Ok(())
}

async fn open(accessor: &Accessor<SandboxState>, opening: Opening) -> Answer<File> {
    let (folder, path_flags, path, open_flags, flags) = opening;
    let number = folder.rep();
    let would_change = flags.contains(types::DescriptorFlags::WRITE)
        || open_flags.intersects(types::OpenFlags::CREATE | types::OpenFlags::TRUNCATE);
    let fence = Fence::enter(accessor)?;
    let files = accessor.with_getter::<WasiFilesystem>(SandboxState::filesystem);
    let opened =
        types::HostDescriptorWithStore::open_at(&files, folder, path_flags, path, open_flags, flags).await;
    fence.pass(accessor).await;
    if let Ok(opened) = &opened {
        accessor.with(|mut access| access.get().reach.folders.opened(number, opened.rep()));
    }
    answer(accessor, fence, would_change.then_some(number), opened)
}

fn view<'a>(store: &'a mut Store<'_>) -> WasiFilesystemCtxView<'a> {
    store.data_mut().filesystem()
}

/// Gives the answer, with a note of what was missing if a change was refused.
fn answer<T>(
    accessor: &Accessor<SandboxState>,
    fence: Fence,
    changes: impl IntoIterator<Item = u32>,
    answered: Result<T, FilesystemError>,
) -> Answer<T> {
    accessor.with(|mut access| {
        let mut store = access.as_context_mut();
        let error = match answered {
            Ok(value) => return Ok((Ok(value),)),
            Err(error) => types::Host::convert_error_code(&mut view(&mut store), error)?,
        };
        if matches!(error, types::ErrorCode::NotPermitted | types::ErrorCode::ReadOnly) {
            let denial = changes.into_iter().find_map(|folder| store.data().reach.folders.denial(folder));
            note(&mut store, fence.root, denial);
        }
        Ok((Err(error),))
    })
}
