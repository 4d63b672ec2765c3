//! MODULE, as every command takes it: a component, or the folder of a guest crate.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use wasmpool::{Limits, ModuleError, ModuleLoader, TaskModule};

use crate::crate_build::{GuestCrate, build_folder};
use crate::pool_args::CacheArgs;
use crate::shell::quote;
use crate::talk::Talk;

/// Loads a module; a folder is built first.
///
/// # Errors
/// It does not build, or is no component with tasks.
pub(crate) async fn load_or_build(
    path: &Path,
    cache: &CacheArgs,
    limits: &Limits,
    talk: &Talk,
) -> anyhow::Result<TaskModule> {
    let file = if path.is_dir() { build_folder(path, talk).await? } else { path.to_owned() };
    let module = load(&file, cache, limits).await?;
    for note in module.notes() {
        talk.say(format!("note on `{}`: {note}", path.display()));
    }
    Ok(module)
}

/// Returns the component's file; in a folder, the one that has been built there.
///
/// # Errors
/// The folder is no guest crate, or has not been built.
pub(crate) fn built_file(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let guest = GuestCrate::in_folder(path)?;
    if !guest.component.is_file() {
        bail!(
            "`{0}` has not been built; run `wasmpool build {1}`",
            path.display(),
            quote(&path.to_string_lossy())
        );
    }
    Ok(guest.component)
}

/// Loads a component from its file.
///
/// # Errors
/// It cannot be read, or is no component with tasks.
pub(crate) async fn load(file: &Path, cache: &CacheArgs, limits: &Limits) -> anyhow::Result<TaskModule> {
    let loader = ModuleLoader::new().limits(limits);
    let loader = match cache.dir() {
        Some(dir) => loader.cache_dir(dir),
        None => loader,
    };
    match loader.load_file(file).await {
        Ok(module) => Ok(module),
        // These name the file themselves.
        Err(error @ (ModuleError::Unreadable { .. } | ModuleError::Folder { .. })) => Err(error.into()),
        Err(error) => Err(error).with_context(|| format!("cannot use module `{}`", file.display())),
    }
}
