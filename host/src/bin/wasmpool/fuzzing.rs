//! What a fuzz target does with command lines. It is built into that target (see `fuzz/`) and into tests, which
//! replay the corpus that is kept.

use std::ffi::OsStr;
use std::iter;
use std::os::unix::ffi::OsStrExt;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::pool_args::PoolArgs;

/// Reads `bytes` as a command line, with a NUL between arguments.
pub(crate) fn command_line(bytes: &[u8]) {
    let args = bytes.split(|byte| *byte == 0).map(OsStr::from_bytes);
    match Cli::try_parse_from(iter::once(OsStr::new("wasmpool")).chain(args)) {
        Ok(cli) => look_at(&cli.command),
        Err(complaint) => {
            assert!(!complaint.to_string().is_empty());
            assert!([0, 2].contains(&complaint.exit_code()));
        }
    }
}

fn look_at(command: &Command) {
    match command {
        Command::Run(args) => look_at_pool(&args.pool),
        Command::Map(args) => {
            args.input.kind().flag();
            look_at_pool(&args.pool);
        }
        Command::Snapshot(args) => drop(args.sizes.limits()),
        Command::Inspect(_) | Command::Build(_) | Command::New(_) => {}
    }
}

fn look_at_pool(args: &PoolArgs) {
    args.limits.limits();
    args.cache.dir();
    // What is not there is no fault of the reading.
    let _ = (args.grants.grants(), args.snapshot.grants());
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn kept_command_lines_are_understood_or_complained_of() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/command_line");
        let files: Vec<_> = fs::read_dir(corpus).expect("the corpus is kept in the repository").collect();
        assert!(!files.is_empty());
        for file in files {
            super::command_line(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
