//! The end of many calls: the last words, of which the summary is the very last, the report of the run, and how the
//! process ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wasmpool::Stats;

use crate::args::MapArgs;
use crate::exit::{Exit, StopSignal};
use crate::feeding::Feeders;
use crate::inputs::{ReadSoFar, count_lines};
use crate::report::run_report::{RunEnd, Setup, run_report};
use crate::report::summary::Tally;
use crate::report::writer::WriterEnd;
use crate::talk::Talk;
use crate::whole_file::write_whole;

/// How it all ended.
pub(crate) struct Mapped {
    pub(crate) tally: Tally,
    pub(crate) stats: Stats,
    pub(crate) elapsed: Duration,
    pub(crate) output: WriterEnd,
    pub(crate) stopped_by: Option<StopSignal>,
    /// What is known of the input; `None` if there was none to be read.
    pub(crate) so_far: Option<Arc<ReadSoFar>>,
    pub(crate) feeders: Feeders,
}

impl Mapped {
    /// Writes the report if it is wanted, says the last words, and returns how the process ends.
    pub(crate) fn tell(&self, args: &MapArgs, setup: &Setup, talk: &Talk) -> Exit {
        let mut could_not_go_on = false;
        if let WriterEnd::Failed(error) = &self.output {
            talk.complain(error);
            could_not_go_on = true;
        }
        if let Some(error) = self.so_far.as_ref().and_then(|so_far| so_far.trouble()) {
            talk.say(format!("cannot read the input to its end: {error}"));
            could_not_go_on = true;
        }
        self.feeders.tell_what_is_left(talk);
        let exit = self.exit(could_not_go_on);
        let reported = args.report.as_ref().map(|path| self.report(path, args, setup, exit));
        if let Some(Err(error)) = &reported {
            talk.complain(error);
            could_not_go_on = true;
        }
        talk.line(self.tally.summary(self.elapsed));
        self.exit(could_not_go_on)
    }

    fn exit(&self, could_not_go_on: bool) -> Exit {
        let some_failed =
            self.tally.failed() > 0 || self.tally.past().failed > 0 || self.feeders.had_trouble();
        match self.stopped_by {
            _ if could_not_go_on => Exit::CouldNotRun,
            Some(signal) => Exit::Stopped(signal),
            None if some_failed => Exit::SomeFailed,
            None => Exit::Done,
        }
    }

    fn report(&self, path: &Path, args: &MapArgs, setup: &Setup, exit: Exit) -> anyhow::Result<()> {
        let Mapped { tally, stats, elapsed, stopped_by, .. } = self;
        let (elapsed, stopped_by, calls_of_input) = (*elapsed, *stopped_by, self.calls_of_input(args));
        let end = RunEnd { tally, stats, elapsed, stopped_by, exit, calls_of_input };
        write_whole(run_report(setup, &end).as_bytes(), path)
    }

    /// Returns how many calls the input makes: known from a run that read it all, or else from a file.
    fn calls_of_input(&self, args: &MapArgs) -> Option<u64> {
        let times = args.input.times.unwrap_or(1);
        let Some(so_far) = &self.so_far else { return Some(times) };
        let from_file = || count_lines(args.input.input.as_deref()?, args.input.kind());
        so_far.all_lines().or_else(from_file).map(|lines| lines.saturating_mul(times))
    }
}
