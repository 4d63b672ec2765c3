//! Stands before the imports of `wasi:filesystem` 0.2, as its sister does for 0.3: to say for the very call that asked
//! which flag would have allowed a change in a folder that is read-only, and to note who waits, as any of them may for
//! a file that is slow or a pipe (see `holding`). Whether a change is allowed is decided behind it.

use wasmtime::component::{Linker, LinkerInstance, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

use crate::sandbox::holding::Holder;
use crate::sandbox::net_imports::{Store, note};
use crate::sandbox::roster::Root;
use crate::sandbox::state::SandboxState;

type File = Resource<Descriptor>;
type Answer<T> = wasmtime::Result<(Result<T, types::ErrorCode>,)>;
type Opening = (File, types::PathFlags, String, types::OpenFlags, types::DescriptorFlags);

/// Puts the notes before the imports.
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
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;
    guard_opening(&mut types)?;
    guard_changes(&mut types)?;
    guard_looks(&mut types)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn guard_opening(types: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    types.func_wrap_async("[method]descriptor.open-at", |mut store: Store<'_>, opening: Opening| {
        Box::new(async move {
            let (folder, path_flags, path, open_flags, flags) = opening;
            let number = folder.rep();
            let would_change = flags.contains(types::DescriptorFlags::WRITE)
                || open_flags.intersects(types::OpenFlags::CREATE | types::OpenFlags::TRUNCATE);
            let holder = Holder::begin(&mut store)?;
            let mut files = view(&mut store);
            let opened =
                types::HostDescriptor::open_at(&mut files, folder, path_flags, path, open_flags, flags).await;
            let root = holder.end(&store);
            if let Ok(opened) = &opened {
                store.data().reach.folders.opened(number, opened.rep());
            }
            answer(&mut store, root, would_change.then_some(number), opened)
        })
    })
}

/// Puts itself before methods whose answer may be an error code. What they would change are folders by their names
/// among the parameters.
macro_rules! guard {
    ($types:ident: $($name:literal $host:ident $method:ident ($($arg:ident),+): ($($type:ty),+)
        $(changes $($folder:ident),+)?;)+) => {$(
        $types.func_wrap_async(
            concat!("[method]", $name),
            |mut store: Store<'_>, ($($arg,)+): ($($type,)+)| {
                Box::new(async move {
                    let changes = [$($($folder.rep()),+)?];
                    let holder = Holder::begin(&mut store)?;
                    let done = types::$host::$method(&mut view(&mut store), $($arg),+).await;
                    let root = holder.end(&store);
                    answer(&mut store, root, changes, done)
                })
            },
        )?;
    )+};
}

fn guard_changes(types: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    guard! { types:
        "descriptor.create-directory-at" HostDescriptor create_directory_at
            (folder, path): (File, String) changes folder;
        "descriptor.remove-directory-at" HostDescriptor remove_directory_at
            (folder, path): (File, String) changes folder;
        "descriptor.unlink-file-at" HostDescriptor unlink_file_at
            (folder, path): (File, String) changes folder;
        "descriptor.rename-at" HostDescriptor rename_at
            (folder, from, into, to): (File, String, File, String) changes folder, into;
        "descriptor.symlink-at" HostDescriptor symlink_at
            (folder, target, path): (File, String, String) changes folder;
        "descriptor.link-at" HostDescriptor link_at
            (folder, flags, path, into, to): (File, types::PathFlags, String, File, String) changes into;
        "descriptor.set-size" HostDescriptor set_size (file, size): (File, u64) changes file;
        "descriptor.set-times" HostDescriptor set_times
            (file, read, written): (File, types::NewTimestamp, types::NewTimestamp) changes file;
        "descriptor.set-times-at" HostDescriptor set_times_at
            (folder, flags, path, read, written):
            (File, types::PathFlags, String, types::NewTimestamp, types::NewTimestamp) changes folder;
        "descriptor.write" HostDescriptor write (file, bytes, offset): (File, Vec<u8>, u64) changes file;
    }
    Ok(())
}

fn guard_looks(types: &mut LinkerInstance<'_, SandboxState>) -> wasmtime::Result<()> {
    guard! { types:
        "descriptor.advise" HostDescriptor advise
            (file, offset, length, advice): (File, u64, u64, types::Advice);
        "descriptor.get-flags" HostDescriptor get_flags (file): (File);
        "descriptor.get-type" HostDescriptor get_type (file): (File);
        "descriptor.metadata-hash" HostDescriptor metadata_hash (file): (File);
        "descriptor.metadata-hash-at" HostDescriptor metadata_hash_at
            (folder, flags, path): (File, types::PathFlags, String);
        "descriptor.read" HostDescriptor read (file, most, offset): (File, u64, u64);
        "descriptor.read-directory" HostDescriptor read_directory (folder): (File);
        "descriptor.readlink-at" HostDescriptor readlink_at (folder, path): (File, String);
        "descriptor.stat" HostDescriptor stat (file): (File);
        "descriptor.stat-at" HostDescriptor stat_at (folder, flags, path): (File, types::PathFlags, String);
        "descriptor.sync" HostDescriptor sync (file): (File);
        "descriptor.sync-data" HostDescriptor sync_data (file): (File);
        "directory-entry-stream.read-directory-entry" HostDirectoryEntryStream read_directory_entry
            (entries): (Resource<types::DirectoryEntryStream>);
    }
    types.func_wrap_async(
        "[method]descriptor.is-same-object",
        |mut store: Store<'_>, (one, other): (File, File)| {
            Box::new(async move {
                let holder = Holder::begin(&mut store)?;
                let is_same = types::HostDescriptor::is_same_object(&mut view(&mut store), one, other).await;
                holder.end(&store);
                Ok((is_same?,))
            })
        },
    )
}

fn view<'a>(store: &'a mut Store<'_>) -> WasiFilesystemCtxView<'a> {
    store.data_mut().filesystem()
}

/// Gives the answer, with a note of what was missing if a change was refused.
fn answer<T>(
    store: &mut Store<'_>,
    root: Option<Root>,
    changes: impl IntoIterator<Item = u32>,
    answered: Result<T, FsError>,
) -> Answer<T> {
    let error = match answered {
        Ok(value) => return Ok((Ok(value),)),
        Err(error) => types::Host::convert_error_code(&mut view(store), error)?,
    };
    if matches!(error, types::ErrorCode::NotPermitted | types::ErrorCode::ReadOnly) {
        let denial = changes.into_iter().find_map(|folder| store.data().reach.folders.denial(folder));
        note(store, root, denial);
    }
    Ok((Err(error),))
}
