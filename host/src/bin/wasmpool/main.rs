//! The `wasmpool` command: task modules from the shell.
//!
//! The modules stand in reading order, and each imports only modules above it. What a command prints on stdout is
//! data, what it says on stderr is talk; how a process ends is told in `exit` alone. All that is done with
//! modules and pools is done through the public names of the library.

mod exit;
mod quantities;
mod limit_args;
mod talk;
mod queue_args;
mod retry_args;
mod sandbox_args;
mod env_file;
mod granted;
mod pool_args;
mod journal;
mod lines;
mod feeding;
mod args;
mod print;
mod whole_file;
mod shell;
mod signals;
mod crate_build;
mod module;
mod guest_output;
mod plan;
mod inputs;
mod failed_input;
mod kept_lines;
mod resume;
mod report;
mod mapped;
mod watching;
mod mapping;
mod run;
mod map;
mod snapshot;
mod inspect;
mod build;
mod new;
#[cfg(all(test, unix))]
mod fuzzing;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::exit::Exit;
use crate::talk::Talk;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let talk = Talk::plain();
    match obey(cli.command, &talk) {
        Ok(exit) => exit.into(),
        Err(error) => {
            talk.complain(&error);
            Exit::CouldNotRun.into()
        }
    }
}

/// Runs one command on an event loop of its own. The workers have theirs; here only input, output and signals
/// are waited for.
fn obey(command: Command, talk: &Talk) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        match command {
            Command::Run(args) => run::run(args, talk).await,
            Command::Map(args) => map::map(args, talk).await,
            Command::Snapshot(args) => snapshot::snapshot(args, talk).await,
            Command::Inspect(args) => inspect::inspect(args).await,
            Command::Build(args) => build::build(args, talk).await,
            Command::New(args) => new::new(&args, talk),
        }
    });
    // A thread that waits for a terminal or a stuck disk holds nobody up.
    runtime.shutdown_background();
    exit
}
