//! The command line as it is written: names, defaults and help of all flags. What several flags mean together is
//! decided in `plan` and in the commands themselves.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit::EXIT_CODES;
use crate::granted::GrantFlags;
use crate::limit_args::SizeArgs;
use crate::lines::LineKind;
use crate::pool_args::{CacheArgs, PoolArgs};

/// Runs functions of WebAssembly task modules on a pool of sandboxed workers.
#[derive(Parser)]
#[command(name = "wasmpool", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Run(RunArgs),
    Map(MapArgs),
    Snapshot(SnapshotArgs),
    Inspect(InspectArgs),
    Build(BuildArgs),
    New(NewArgs),
}

/// Call a task once and print its result as JSON.
#[derive(Args)]
#[command(after_help = concat!(
    "Examples:\n",
    "  wasmpool run hello.wasm greet Ada\n",
    "  wasmpool run . add -- -1 2              builds the guest crate in this folder first\n",
    "  wasmpool run shapes.wasm area '{\"circle\":2.5}'\n",
    "  curl -s https://example.org | wasmpool run markdown.wasm to-html @-\n\n",
    "The result goes to stdout, what the guest prints to stderr. A call that fails is told on stderr, and the \
     exit code is 1."
))]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Arguments in the order of the parameters: text as it is for a string, JSON for others; @FILE and @- read
    /// the argument from a file or stdin, byte for byte; @@ stands for a literal @ in front
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
}

/// Call a task for each line of input and print one line of JSON a call.
#[derive(Args)]
#[command(after_help = concat!(
    "A line is the JSON value of the only parameter, or an array of all, or an object by parameter names; blank \
     lines are skipped. With --lines it is the text of the only parameter, and an empty line is an empty text. With \
     --files it names a file whose contents are the only parameter.\n\n",
    "Output, in input order:\n",
    "  {\"index\":0,\"ok\":200,\"attempts\":1,\"wait_ms\":0.1,\"run_ms\":12.3}\n",
    "  {\"index\":1,\"error\":{\"kind\":\"trapped\",\"message\":\"…\",\"backtrace\":[\"…\"]},\"attempts\":1,…}\n\n",
    "Examples:\n",
    "  seq 10 | wasmpool map delays.wasm nap\n",
    "  ls *.md | wasmpool map markdown.wasm to-html --files --values\n",
    "  wasmpool map delays.wasm worker --times 1000 -c 500 --values > out.txt\n\n",
    "Ctrl-C and SIGTERM take no more input and wait for what runs; a second one stops that too. SIGUSR1 says how things are. A closed pipe \
     behind it (head) is a normal end.\n\n",
    "After that, or after a crash, the same command line with --resume runs what is missing in the file of --output; \
     a line of input that has changed since is an error. In input order a call that takes long holds up the records of \
     later ones, which a crash loses; --unordered writes them at once. The exit code also speaks of recorded failures."
))]
pub(crate) struct MapArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
    /// Write records to this file instead of stdout, which `-` stands for. It is a journal: each record has the `key`
    /// of its call and is safe on disk after a second, and a file of such records is not overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Go on with the file of --output, if it is there: calls that it has a whole record of are not run again, failed
    /// or not, and all others are; with `=failed` those that failed are run again too, and their records replaced
    #[arg(
        long,
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "rest",
        hide_possible_values = true,
        value_name = "failed",
        requires = "output",
        conflicts_with = "values"
    )]
    pub(crate) resume: Option<Resume>,
    /// Write records as calls end, not in input order
    #[arg(long)]
    pub(crate) unordered: bool,
    /// Write bare results of the calls that succeeded, not records
    #[arg(long)]
    pub(crate) values: bool,
    /// Take no more input after N failed calls of this run; `now` ends the running calls too [default mode: wait]
    #[arg(long, value_name = "N[:wait|now]")]
    pub(crate) max_fail: Option<MaxFail>,
    /// Write the input lines of failed calls to this file, byte for byte; with --resume also those of earlier runs
    #[arg(long, value_name = "FILE")]
    pub(crate) failed_input: Option<PathBuf>,
    /// Write a summary of the run to this file as JSON, also when it is stopped: calls by how they ended, times, the
    /// slowest calls, settings
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// How to show progress on stderr; `auto` is a bar on a terminal and plain lines elsewhere
    #[arg(
        long,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "auto|bar|plain|none"
    )]
    pub(crate) progress: ProgressMode,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
}

/// What to call.
#[derive(Args)]
pub(crate) struct TargetArgs {
    /// A component, or the folder of a guest crate, which is built first
    pub(crate) module: PathBuf,
    /// The task's name, as `wasmpool inspect` shows it
    pub(crate) task: String,
}

/// Where calls come from.
#[derive(Args)]
pub(crate) struct InputArgs {
    /// Read lines from this file, or stdin with `-`, the default
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Take each line as the text of the only parameter, not as JSON
    #[arg(long)]
    pub(crate) lines: bool,
    /// Take each line as the name of a file whose contents are the only parameter
    #[arg(long, conflicts_with = "lines")]
    pub(crate) files: bool,
    /// Call the task N times for each line; without --input N times in all, without arguments
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) times: Option<u64>,
}

impl InputArgs {
    /// Returns what a line is.
    pub(crate) fn kind(&self) -> LineKind {
        match (self.lines, self.files) {
            (true, _) => LineKind::Text,
            (false, true) => LineKind::FileName,
            (false, false) => LineKind::Json,
        }
    }
}

/// Run a function once and write a component whose memory holds what it built.
#[derive(Args)]
#[command(
    after_help = "The function is not exported any more; the other tasks start with the memory that it left. It \
    reaches nothing but what --dir and --env grant, and secure random numbers are refused. In a pool the same is done by \
    --snapshot, without a file.\n\n\
    Example: `wasmpool snapshot words.wasm load en --dir dictionaries -o words-en.wasm`"
)]
pub(crate) struct SnapshotArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Arguments of the function, written like those of `run`
    #[arg(value_name = "ARG", allow_negative_numbers = true)]
    pub(crate) args: Vec<String>,
    /// Write the component here
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) grants: GrantFlags,
    #[command(flatten)]
    pub(crate) sizes: SizeArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// List a module's tasks with their types, docs, and a command line to begin with.
#[derive(Args)]
pub(crate) struct InspectArgs {
    /// A component, or the folder of a guest crate that has been built
    pub(crate) module: PathBuf,
    /// Print JSON
    #[arg(long, conflicts_with = "wit")]
    pub(crate) json: bool,
    /// Print the component's world as WIT
    #[arg(long)]
    pub(crate) wit: bool,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// Build a guest crate to a component and print where it is.
#[derive(Args)]
#[command(
    after_help = "It runs `cargo build --release --target wasm32-wasip2 --lib` there, and adds the target to \
    the toolchain with rustup if it is missing."
)]
pub(crate) struct BuildArgs {
    /// The guest crate's folder
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Copy the component here
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Make a new guest crate with one task and its test.
#[derive(Args)]
#[command(after_help = "Try it: `wasmpool new hello && cd hello && cargo test && wasmpool run . greet Ada`")]
pub(crate) struct NewArgs {
    /// The folder to make; the crate is named after it
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

/// Which calls are run when an output file is gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Resume {
    /// Those that are not recorded.
    Rest,
    /// Those that failed, too.
    Failed,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    #[default]
    Auto,
    Bar,
    Plain,
    None,
}

/// After how many failures to stop, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaxFail {
    pub(crate) failures: u64,
    pub(crate) then: Then,
}

/// What becomes of the calls that run when no more are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// They end by themselves.
    Wait,
    /// They are cancelled.
    Now,
}

impl FromStr for MaxFail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, then) = match text.split_once(':') {
            None => (text, Then::Wait),
            Some((number, "wait")) => (number, Then::Wait),
            Some((number, "now")) => (number, Then::Now),
            Some((_, other)) => return Err(format!("`{other}` is neither `wait` nor `now`")),
        };
        match number.parse() {
            Ok(failures) if failures > 0 => Ok(MaxFail { failures, then }),
            _ => Err(format!("`{number}` is not a number from 1 on")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command, MaxFail, Then};

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn negative_numbers_are_arguments() {
        let cli = Cli::try_parse_from(["wasmpool", "run", "m.wasm", "add", "-1", "2", "--init-arg", "-3"]);
        let Ok(Cli { command: Command::Run(args) }) = cli else { panic!("these are good arguments") };
        assert_eq!((args.args, args.pool.init_args), (vec!["-1".into(), "2".into()], vec!["-3".into()]));
    }

    #[test]
    fn a_limit_of_failures_says_what_happens_then() {
        assert_eq!("3".parse(), Ok(MaxFail { failures: 3, then: Then::Wait }));
        assert_eq!("3:wait".parse(), Ok(MaxFail { failures: 3, then: Then::Wait }));
        assert_eq!("1:now".parse(), Ok(MaxFail { failures: 1, then: Then::Now }));
        for bad in ["0", "x", "1:later", "", ":now", "-1"] {
            assert!(bad.parse::<MaxFail>().is_err(), "{bad}");
        }
    }
}
