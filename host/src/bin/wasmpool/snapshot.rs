//! `wasmpool snapshot`: runs a function once and writes a component whose memory holds what it built.

use anyhow::Context;
use wasmpool::SnapshotMaker;

use crate::args::SnapshotArgs;
use crate::exit::Exit;
use crate::guest_output::{Narrator, Style};
use crate::module::load_or_build;
use crate::plan::{find_task, read_args};
use crate::pool_args::GuestOutput;
use crate::signals::Signals;
use crate::talk::Talk;
use crate::whole_file::write_whole;

/// Takes the snapshot.
///
/// # Errors
/// The function fails, the module cannot be snapshotted, or the file cannot be written.
pub(crate) async fn snapshot(args: SnapshotArgs, talk: &Talk) -> anyhow::Result<Exit> {
    let module = load_or_build(&args.target.module, &args.cache, &args.sizes.limits(), talk).await?;
    let task = find_task(&module, &args.target.task)?;
    let values = read_args(task, &args.args)?;
    let (mut narrator, all_shown) = Narrator::new(talk, Style::Bare, GuestOutput::All, 0);
    let maker = SnapshotMaker::new(module.clone())
        .function(task.name(), values)
        .grants(args.grants.grants()?)
        .limits(args.sizes.limits())
        .on_event(move |event| narrator.hear(event));
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let made = tokio::select! {
        made = maker.make() => made,
        signal = signals.next() => return Ok(Exit::Stopped(signal)),
    };
    // What the function said comes before what is said about it.
    all_shown.wait().await;
    write_whole(&made?, &args.output)?;
    Ok(Exit::Done)
}
