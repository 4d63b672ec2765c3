//! The compiled code of a module, and the one place where it is believed: mapping it into an engine.
//! Code is made here too, from the cache if it is there, else by compiling; a cache that fails costs time only.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::Cache;
use super::error::ModuleError;
use super::notes::Notes;

/// Compiled code, bound to no engine yet.
#[derive(Clone, Debug)]
pub(crate) enum Artifact {
    /// An entry of the cache, mapped so that all engines and processes share its pages.
    File(PathBuf),
    /// Code without a file: the library without a cache folder.
    Memory(Arc<[u8]>),
}

impl Artifact {
    /// Returns true if it is a file, which somebody who empties the cache may delete at any time.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Artifact::File(_))
    }

    /// Maps the code into an engine, which must be made from `engine_config`.
    ///
    /// # Errors
    /// If the file is gone, or the engine's settings shape code differently.
    #[expect(unsafe_code, reason = "compiled code cannot be checked, only its origin can: see SAFETY")]
    pub(crate) fn component_on(&self, engine: &Engine) -> wasmtime::Result<Component> {
        match self {
            // SAFETY: the entry lies in a folder that only this user can write to, and under this name only ever
            // comes what `serialize` returned for the same key of content and engine, whole, by renaming: when it
            // was found there its checksum was verified, else this process or another of this user has just
            // written it. The mapped bytes do not change, as an entry is replaced and never written to.
            Artifact::File(path) => unsafe { Component::deserialize_file(engine, path) },
            // SAFETY: the bytes came from `serialize` in this process and are immutable.
            Artifact::Memory(code) => unsafe { Component::deserialize(engine, code) },
        }
    }
}

/// Code for a module, with the component as the compiling engine sees it.
pub(crate) struct Compiled {
    pub(crate) artifact: Artifact,
    pub(crate) component: Component,
    pub(crate) was_cached: bool,
}

/// Compiles a component, unless the cache has its code.
///
/// # Errors
/// [`ModuleError::Refused`] if the engine does not compile it.
pub(crate) fn compile(
    bytes: &[u8],
    digest: &str,
    engine: &Engine,
    cache_dir: Option<&Path>,
    notes: &mut Notes,
) -> Result<Compiled, ModuleError> {
    let mut warn = |reason: String| {
        tracing::warn!("{reason}");
        notes.push(reason);
    };
    let cache = cache_dir.and_then(|dir| Cache::open(dir).map_err(&mut warn).ok());
    let place = cache.map(|cache| (cache.entry(digest, engine), cache));
    if let Some(compiled) = place.as_ref().and_then(|(entry, _)| load_entry(entry, engine)) {
        return Ok(compiled);
    }
    let component = compile_on(bytes, engine)?;
    let code = component.serialize().map_err(refused)?;
    let stored = place.filter(|(entry, cache)| {
        cache.store(entry, &code).map_err(|error| warn(cannot_keep(entry, &error))).is_ok()
    });
    let artifact = stored.map_or_else(|| Artifact::Memory(code.into()), |(entry, _)| Artifact::File(entry));
    Ok(Compiled { artifact, component, was_cached: false })
}

/// Says that code could not be stored.
pub(crate) fn cannot_keep(entry: &Path, error: &io::Error) -> String {
    format!("cannot keep compiled code in `{}`: {error}", entry.display())
}

/// Compiles a component for one engine, past every cache.
///
/// # Errors
/// [`ModuleError::Refused`] if the engine does not compile it.
pub(crate) fn compile_on(bytes: &[u8], engine: &Engine) -> Result<Component, ModuleError> {
    Component::from_binary(engine, bytes).map_err(refused)
}

/// Returns what the cache has. Damaged entries, and those of another engine, are as good as none.
fn load_entry(entry: &Path, engine: &Engine) -> Option<Compiled> {
    if !Cache::is_intact(entry) {
        return None;
    }
    let artifact = Artifact::File(entry.to_owned());
    let component = artifact.component_on(engine).ok()?;
    Some(Compiled { artifact, component, was_cached: true })
}

/// Passes the engine's own words on.
pub(crate) fn refused(error: wasmtime::Error) -> ModuleError {
    ModuleError::Refused { source: error.into_boxed_dyn_error() }
}
