//! `--resume`: what an earlier run recorded is checked against the input at hand, before anything is run or changed.
//! Records need not be all, nor in order; but each must be of the line that has its place now.

use std::fs::File;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::vec;

use anyhow::{Context, anyhow, bail};
use wasmpool::TaskModule;

use crate::args::{MapArgs, Resume};
use crate::failed_input::FailedInput;
use crate::inputs::Input;
use crate::journal::contents::Record;
use crate::journal::file::{Journal, begin, folder_of};
use crate::journal::key::KeyMaker;
use crate::journal::recorded::Recorded;
use crate::lines::{LineKind, RawLine};
use crate::talk::Talk;

/// What earlier runs have done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// Calls that are not run again.
    pub(crate) recorded: Arc<Recorded>,
    /// How many of them failed.
    pub(crate) failed: u64,
}

/// An output file, and what is to be done before it is written to.
#[derive(Default)]
pub(crate) struct Resumed {
    pub(crate) past: Past,
    /// The journal, if there is one already.
    journal: Option<(Journal, Resume)>,
    /// The lines of recorded calls that failed, if they are wanted.
    failed_lines: Option<FailedInput>,
}

impl Resumed {
    /// Reads the journal that `args` name, if any, and checks it against the input.
    ///
    /// # Errors
    /// It is not of this task and this input; or one of them cannot be read.
    pub(crate) fn check(
        args: &MapArgs,
        module: &TaskModule,
        input: Option<Input>,
    ) -> anyhow::Result<(Self, Option<Input>)> {
        let (Some(resume), Some(output)) = (args.resume, args.output.as_deref()) else {
            return Ok((Resumed::default(), input));
        };
        if output == Path::new("-") {
            bail!("--resume: stdout keeps no records; name a file with --output");
        }
        let Some(journal) = Journal::open(output)? else { return Ok((Resumed::default(), input)) };
        let folder = folder_of(output);
        let mut check = Check::new(args, module, &journal, resume, folder)?;
        let input = check.all(input, folder)?;
        let failed_lines = check.failed_lines;
        let past = past_of(&journal, resume);
        Ok((Resumed { past, journal: Some((journal, resume)), failed_lines }, input))
    }

    /// Says what is not run again, if anything.
    pub(crate) fn tell(&self, talk: &Talk) {
        let Some((journal, resume)) = &self.journal else { return };
        let name = journal.name();
        if journal.contents().is_torn {
            talk.say(format!("the last line of `{name}` was cut off, and is dropped"));
        }
        if journal.contents().records.is_empty() {
            return;
        }
        let calls = self.past.recorded.len();
        let failures = match (resume, journal.contents().failed()) {
            (_, 0) => String::new(),
            (Resume::Rest, failed) => format!(", {failed} failed ones included (--resume=failed runs those)"),
            (Resume::Failed, failed) => format!("; {failed} failed ones are"),
        };
        talk.say(format!("{calls} calls are in `{name}` and not run again{failures}"));
    }

    /// Makes the output file ready to be written to, at its end.
    ///
    /// # Errors
    /// The system does not allow it, or it holds a journal that is not to be gone on with.
    pub(crate) fn output_file(&mut self, path: &Path) -> anyhow::Result<File> {
        match self.journal.take() {
            None => begin(path),
            Some((journal, Resume::Rest)) => journal.go_on(),
            Some((journal, Resume::Failed)) => journal.go_on_without_failures(),
        }
    }

    /// Begins the file of failed lines, with those of recorded calls.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(crate) fn failed_input(&mut self, path: &Path) -> anyhow::Result<FailedInput> {
        let about = || format!("cannot write `{}`", path.display());
        let file = File::create(path).with_context(about)?;
        match self.failed_lines.take() {
            None => Ok(FailedInput::new(file)),
            Some(lines) => lines.move_to(file).with_context(about),
        }
    }
}

fn past_of(journal: &Journal, resume: Resume) -> Past {
    let records = kept_records(journal, resume);
    let failed = records.iter().filter(|record| record.has_failed()).count() as u64;
    Past { recorded: Arc::new(Recorded::new(records.iter().map(|record| record.index()))), failed }
}

/// Returns the records whose calls are not run again. Of others the line may have changed: it may be what was wrong.
fn kept_records(journal: &Journal, resume: Resume) -> Vec<Record> {
    let is_kept = |record: &&Record| resume == Resume::Rest || !record.has_failed();
    journal.contents().records.iter().filter(is_kept).copied().collect()
}

/// The records of a journal against the lines of an input, both in order.
struct Check<'a> {
    args: &'a MapArgs,
    module: &'a TaskModule,
    journal: &'a str,
    keys: KeyMaker,
    times: u64,
    records: Peekable<vec::IntoIter<Record>>,
    /// How many calls the input must make at least.
    least_calls: u64,
    /// How many calls have been seen.
    calls: u64,
    failed_lines: Option<FailedInput>,
}

impl<'a> Check<'a> {
    fn new(
        args: &'a MapArgs,
        module: &'a TaskModule,
        journal: &'a Journal,
        resume: Resume,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let failed_lines = args.failed_input.as_ref().map(|_| tempfile::tempfile_in(folder)).transpose();
        let failed_lines =
            failed_lines.with_context(|| format!("cannot keep lines in `{}`", folder.display()))?;
        Ok(Check {
            args,
            module,
            journal: journal.name(),
            keys: KeyMaker::new(&args.target.task, args.input.kind().flag()),
            times: args.input.times.unwrap_or(1),
            records: kept_records(journal, resume).into_iter().peekable(),
            least_calls: journal.contents().records.last().map_or(0, |record| record.index() + 1),
            calls: 0,
            failed_lines: failed_lines.map(FailedInput::new),
        })
    }

    /// Checks all records, and returns the input as it was.
    fn all(&mut self, input: Option<Input>, folder: &Path) -> anyhow::Result<Option<Input>> {
        let input = match input {
            Some(input) if self.least_calls > 0 => {
                Some(input.look_ahead(self.args.input.kind(), folder, |line| self.line(line))?)
            }
            None if self.least_calls > 0 => {
                // All calls are of the same nothing.
                self.line(&RawLine::default()).map(|_| None)?
            }
            input => input,
        };
        if self.calls < self.least_calls {
            bail!(
                "`{}` has a record of call {}, but {} makes only {} calls; restore the input, or name another --output",
                self.journal,
                self.least_calls - 1,
                self.input_name(),
                self.calls
            );
        }
        Ok(input)
    }

    fn line(&mut self, line: &RawLine) -> anyhow::Result<ControlFlow<()>> {
        self.calls = self.calls.saturating_add(self.times);
        let mut key = None;
        while let Some(record) = self.records.next_if(|record| record.index() < self.calls) {
            if *key.get_or_insert_with(|| self.keys.key_of(line.without_end())) != record.key {
                return Err(self.complaint(line, record));
            }
            if let (true, Some(lines)) = (record.has_failed(), &mut self.failed_lines) {
                lines.push(&line.bytes).context("cannot keep failed lines")?;
            }
        }
        Ok(if self.calls < self.least_calls { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }

    /// Says what a record is of, as far as that can be found out.
    fn complaint(&self, line: &RawLine, record: Record) -> anyhow::Error {
        let (journal, index) = (self.journal, record.index());
        let mut tasks = self.module.tasks().iter().map(|task| task.name());
        let is_of = |task: &str, kind: LineKind| {
            KeyMaker::new(task, kind.flag()).key_of(line.without_end()) == record.key
        };
        let here = &self.args.target.task;
        if let Some(kind) = LineKind::ALL.into_iter().find(|kind| is_of(here, *kind)) {
            let flag = kind.flag().unwrap_or("neither --lines nor --files");
            return anyhow!(
                "call {index} in `{journal}` was read with {flag}; do so again, or name another --output"
            );
        }
        let other = tasks.find(|task| LineKind::ALL.into_iter().any(|kind| is_of(task, kind)));
        if let Some(other) = other {
            return anyhow!(
                "call {index} in `{journal}` was one of task `{other}`, not of `{here}`; name another --output"
            );
        }
        let place = match line.number {
            0 => format!("a call without input, {} of `{here}`,", index),
            number => format!("line {number} of {}", self.input_name()),
        };
        anyhow!(
            "{place} is not what was run as call {index} in `{journal}`; restore the input and the task, or name another --output"
        )
    }

    fn input_name(&self) -> String {
        match (&self.args.input.input, self.args.input.times) {
            (Some(path), _) if path != Path::new("-") => format!("`{}`", path.display()),
            (None, Some(_)) => "--times".to_owned(),
            _ => "stdin".to_owned(),
        }
    }
}
