//! Where the reports of many calls go: records or bare values to stdout or a file, failed lines to another. What is
//! ready at once goes out at once; what comes fast travels together.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, anyhow, bail};

use super::Report;
use super::record::{kind, push_record, push_value};
use super::writer::{Writer, WriterEnd};
use crate::args::MapArgs;
use crate::failed_input::{FailedInput, KeptLines};
use crate::talk::Talk;

/// More than this is handed over before another report is taken.
const LARGE_BYTES: usize = 64 << 10;

/// Takes the reports of many calls.
pub(crate) struct Output {
    writer: Writer,
    lines: Vec<u8>,
    writes_values: bool,
    failed_input: Option<FailedInput>,
}

impl Output {
    /// Opens what the flags name; files are emptied.
    ///
    /// # Errors
    /// A file cannot be written to, or is used twice.
    pub(crate) fn open(args: &MapArgs, kept: KeptLines, talk: &Talk) -> anyhow::Result<Self> {
        let output = file_at(args.output.as_deref());
        let files = [
            ("--input", file_at(args.input.input.as_deref())),
            ("--output", output),
            ("--failed-input", args.failed_input.as_deref()),
        ];
        expect_different(&files)?;
        let writer = match output {
            None => Writer::start(to_stdout(talk)),
            Some(path) => {
                let mut file = create(path)?;
                Writer::start(move |buffer| file.write_all(buffer))
            }
        };
        let failed_input = args.failed_input.as_deref().map(create).transpose()?;
        Ok(Output {
            writer: writer.context("cannot start to write")?,
            lines: Vec::new(),
            writes_values: args.values,
            failed_input: failed_input.map(|file| FailedInput::new(kept, file)),
        })
    }

    /// Takes a report.
    ///
    /// # Errors
    /// The file of failed lines cannot be written to.
    pub(crate) fn push(&mut self, report: &Report) -> io::Result<()> {
        if self.writes_values {
            push_value(&mut self.lines, report);
        } else {
            push_record(&mut self.lines, report);
        }
        match &mut self.failed_input {
            Some(failed_input) => failed_input.ended(report.index, kind(report).is_some()),
            None => Ok(()),
        }
    }

    /// Returns true if no failure is told by what is written.
    pub(crate) fn hides_failures(&self) -> bool {
        self.writes_values
    }

    /// Returns true if all that was pushed has been handed over.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns true if no more should be pushed for now.
    pub(crate) fn is_full(&self) -> bool {
        self.lines.len() >= LARGE_BYTES
    }

    /// Waits until what was pushed can be handed over, and does so; `None` once nobody takes it. Waits for that
    /// alone if there is nothing.
    pub(crate) async fn hand_over(&mut self) -> Option<()> {
        if self.lines.is_empty() {
            self.writer.closed().await;
            return None;
        }
        self.writer.room().await?.send(std::mem::take(&mut self.lines));
        Some(())
    }

    /// Waits until all is written.
    pub(crate) async fn finish(mut self) -> WriterEnd {
        let failed_input = self.failed_input.as_mut().map_or(Ok(()), FailedInput::flush);
        match (self.writer.finish().await, failed_input) {
            (WriterEnd::Complete | WriterEnd::ReaderLeft, Err(error)) => {
                WriterEnd::Failed(anyhow!(error).context("cannot write the failed input"))
            }
            (end, _) => end,
        }
    }
}

/// Returns the path of a file; `-` is none, but stdin or stdout.
fn file_at(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| *path != Path::new("-"))
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Makes sure that no file is emptied that is still to be read, or written from two sides.
fn expect_different(files: &[(&str, Option<&Path>)]) -> anyhow::Result<()> {
    let mut seen: Vec<(&str, _)> = Vec::new();
    for (flag, path) in files {
        // A file that is not there yet cannot be met twice, except by the same words.
        let Some(path) = path else { continue };
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if !place.is_file() && place.exists() {
            continue;
        }
        if let Some((other, _)) = seen.iter().find(|(_, other)| *other == place) {
            bail!("{other} and {flag} are the same file: `{}`", path.display());
        }
        seen.push((flag, place));
    }
    Ok(())
}

/// Returns what writes to stdout, which may be the terminal that the progress bar is on.
fn to_stdout(talk: &Talk) -> impl FnMut(&[u8]) -> io::Result<()> + Send + 'static {
    let above_bar = io::stdout().is_terminal().then(|| talk.clone());
    move |buffer| {
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(buffer)?;
            stdout.flush()
        };
        match &above_bar {
            Some(talk) => talk.apart_from_bar(write),
            None => write(),
        }
    }
}
