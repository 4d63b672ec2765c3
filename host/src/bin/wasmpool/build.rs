//! `wasmpool build`: a guest crate to a component, whose place is printed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wasmpool::Limits;

use crate::args::BuildArgs;
use crate::crate_build::build_folder;
use crate::exit::Exit;
use crate::module::load;
use crate::pool_args::CacheArgs;
use crate::print::print;
use crate::talk::Talk;
use crate::whole_file::write_whole;

/// Builds the crate, and makes sure that the result can be loaded.
///
/// # Errors
/// It does not build, has no tasks, or cannot be copied to where it is wanted.
pub(crate) async fn build(args: BuildArgs, talk: &Talk) -> anyhow::Result<Exit> {
    let component = build_folder(&args.dir, talk).await?;
    let module = load(&component, &CacheArgs { no_cache: false }, &Limits::default()).await?;
    for note in module.notes() {
        talk.say(format!("note: {note}"));
    }
    let result = match &args.output {
        Some(output) => copy(&component, output)?,
        None => component,
    };
    print(&from_here(&result).to_string_lossy())?;
    Ok(Exit::Done)
}

/// Copies the component, such that nobody ever sees half of it.
fn copy(component: &Path, output: &Path) -> anyhow::Result<PathBuf> {
    let output = if output.is_dir() {
        output.join(component.file_name().unwrap_or_default())
    } else {
        output.to_owned()
    };
    let bytes = fs::read(component).with_context(|| format!("cannot read `{}`", component.display()))?;
    write_whole(&bytes, &output)?;
    Ok(output)
}

/// Returns a path as seen from the working folder, if it is below it.
fn from_here(path: &Path) -> &Path {
    let here = env::current_dir().and_then(|here| here.canonicalize());
    here.ok().and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path)
}
