//! Where the reports of many calls go: records or bare values to stdout or a file, failed lines to another. What is
//! ready at once goes out at once; what comes fast travels together.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::time::{Instant, sleep_until};

use super::Report;
use super::record::{kind, push_record, push_value};
use super::writer::{Writer, WriterEnd};
use crate::args::MapArgs;
use crate::failed_input::FailedInput;
use crate::kept_lines::KeptLines;
use crate::resume::Resumed;
use crate::talk::Talk;

/// More than this is handed over before another report is taken.
const LARGE_BYTES: usize = 64 << 10;

/// What was written to a file is safe on disk after this time.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Takes the reports of many calls.
pub(crate) struct Output {
    writer: Writer,
    lines: Vec<u8>,
    writes_values: bool,
    failed_input: Option<FailedInput>,
    kept: KeptLines,
    /// When something was handed over last, if that may have to be made safe.
    handed_over: Option<Instant>,
}

impl Output {
    /// Opens what the flags name; files are emptied, unless they are gone on with.
    ///
    /// # Errors
    /// A file cannot be written to.
    pub(crate) fn open(
        args: &MapArgs,
        mut resumed: Resumed,
        kept: KeptLines,
        talk: &Talk,
    ) -> anyhow::Result<Self> {
        let writer = match file_at(args.output.as_deref()) {
            None => Writer::start(to_stdout(talk)),
            Some(path) => to_file(resumed.output_file(path)?).and_then(Writer::start),
        };
        let failed_input = args.failed_input.as_deref().map(|path| resumed.failed_input(path)).transpose()?;
        Ok(Output {
            writer: writer.context("cannot start to write")?,
            lines: Vec::new(),
            writes_values: args.values,
            failed_input,
            kept,
            handed_over: None,
        })
    }

    /// Takes a report.
    ///
    /// # Errors
    /// The file of failed lines cannot be written to.
    pub(crate) fn push(&mut self, report: &Report) -> io::Result<()> {
        let kept = self.kept.take(report.index);
        if self.writes_values {
            push_value(&mut self.lines, report);
        } else {
            push_record(&mut self.lines, report, kept.key);
        }
        match &mut self.failed_input {
            Some(failed_input) if kind(report).is_some() => failed_input.push(&kept.raw),
            _ => Ok(()),
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

    /// Waits until what was pushed can be handed over, and does so; `None` once nobody takes it. If there is nothing,
    /// it waits for that, or until what was handed over is to be made safe.
    pub(crate) async fn hand_over(&mut self) -> Option<()> {
        if self.lines.is_empty() {
            tokio::select! {
                () = self.writer.closed() => return None,
                () = silence_after(self.handed_over) => {}
            }
        }
        let room = self.writer.room().await?;
        // What comes without a pause is made safe by the writer itself.
        self.handed_over = if self.lines.is_empty() { None } else { Some(Instant::now()) };
        room.send(std::mem::take(&mut self.lines));
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

/// Waits until nothing has been handed over for some time.
async fn silence_after(handed_over: Option<Instant>) {
    match handed_over {
        Some(at) => sleep_until(at + SYNC_INTERVAL).await,
        None => std::future::pending().await,
    }
}

/// Makes sure that no file is emptied that is still to be read, or written from two sides.
///
/// # Errors
/// Two flags name the same file, or stdout.
pub(crate) fn expect_different_files(args: &MapArgs) -> anyhow::Result<()> {
    let (output, report) = (file_at(args.output.as_deref()), file_at(args.report.as_deref()));
    let files = [
        ("--input", file_at(args.input.input.as_deref())),
        ("--output", output),
        ("--failed-input", args.failed_input.as_deref()),
        ("--report", report),
    ];
    if args.report.is_some() && report.is_none() && output.is_none() {
        bail!("--report: stdout has the records already; name a file, or one for them with --output");
    }
    let queues = args.pool.queue.iter().map(|flag| ("--queue", file_at(flag.file.as_deref())));
    // Two queues may be fed from one file: nobody writes it.
    let mut seen: Vec<(&str, _)> = Vec::new();
    for (flag, path) in [("MODULE", Some(&*args.target.module))].into_iter().chain(queues).chain(files) {
        // A file that is not there yet cannot be met twice, except by the same words.
        let Some(path) = path else { continue };
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if !place.is_file() && place.exists() {
            continue;
        }
        if let Some((other, _)) =
            seen.iter().find(|(other, at)| *at == place && !(is_read(other) && is_read(flag)))
        {
            bail!("{other} and {flag} are the same file: `{}`", path.display());
        }
        seen.push((flag, place));
    }
    Ok(())
}

/// Returns true for what is only read.
fn is_read(flag: &str) -> bool {
    matches!(flag, "MODULE" | "--queue" | "--input")
}

/// Returns what writes to a file, and makes it safe once a second if it has a disk under it.
fn to_file(mut file: File) -> io::Result<impl FnMut(&[u8]) -> io::Result<()> + Send + 'static> {
    let has_disk = file.metadata()?.is_file();
    let mut synced = Instant::now();
    Ok(move |buffer: &[u8]| {
        file.write_all(buffer)?;
        if has_disk && (buffer.is_empty() || synced.elapsed() >= SYNC_INTERVAL) {
            file.sync_data()?;
            synced = Instant::now();
        }
        Ok(())
    })
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
