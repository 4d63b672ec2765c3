//! Where calls come from: lines, read lazily on a thread of their own, so that a read that waits for a terminal or a
//! pipe holds nothing up. The reader is never more than a few batches ahead of the calls, and memory stays the same
//! however long the input is. A look ahead, before the first call, is for the beginning to be checked; what was looked
//! at is read again.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::{Context, bail};
use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::mpsc;
use wasmpool::RawInput;

use crate::journal::key::Key;
use crate::lines::{CallsOfLines, Line, LineKind, LineRules, RawLine, RawLines};

/// Lines travel together until they are this many bytes, if they are there at once.
const BATCH_BYTES: usize = 64 << 10;
/// How many batches the reader may be ahead.
const BATCHES_AHEAD: usize = 4;

/// How far the reader has come.
#[derive(Debug, Default)]
pub(crate) struct ReadSoFar {
    lines: AtomicU64,
    bytes: AtomicU64,
    file_bytes: Option<u64>,
    has_ended: AtomicBool,
    trouble: OnceLock<io::Error>,
}

impl ReadSoFar {
    /// Returns how many lines there are in all, as far as that can be told: exactly at the end, from the lines so
    /// far in a file, and not at all in a pipe.
    pub(crate) fn estimated_lines(&self) -> Option<u64> {
        let (lines, bytes) = (self.lines.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        if self.has_ended.load(Ordering::Acquire) {
            return Some(lines);
        }
        let left = self.file_bytes?.saturating_sub(bytes);
        let bytes_a_line = bytes.checked_div(lines)?.max(1);
        Some(lines + left / bytes_a_line)
    }

    /// Returns how many lines there are in all, if they have all been read.
    pub(crate) fn all_lines(&self) -> Option<u64> {
        self.has_ended.load(Ordering::Acquire).then(|| self.lines.load(Ordering::Relaxed))
    }

    /// Returns why reading ended before the input did.
    pub(crate) fn trouble(&self) -> Option<&io::Error> {
        self.trouble.get()
    }
}

/// Where lines come from.
pub(crate) struct Input {
    source: Source,
    file_bytes: Option<u64>,
}

enum Source {
    /// Can be read again.
    File(File),
    /// Is gone once it is read.
    Stream(Box<dyn Read + Send>),
}

impl Input {
    /// Opens a file, or stdin for `-` and for nothing.
    ///
    /// # Errors
    /// It cannot be opened, or is a folder.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) if path != Path::new("-") => path,
            _ => return Ok(Input { source: Source::Stream(Box::new(io::stdin())), file_bytes: None }),
        };
        let about = || format!("cannot read the input `{}`", path.display());
        let metadata = fs::metadata(path).with_context(about)?;
        if metadata.is_dir() {
            bail!("{}: it is a folder", about());
        }
        let file = File::open(path).with_context(about)?;
        if !metadata.is_file() {
            return Ok(Input { source: Source::Stream(Box::new(file)), file_bytes: None });
        }
        Ok(Input { source: Source::File(file), file_bytes: Some(metadata.len()) })
    }

    /// Shows lines to `look` until it has seen enough or there are no more, and returns the input as it was. What comes
    /// by a pipe is kept in a file without a name, in `folder`.
    ///
    /// # Errors
    /// The input cannot be read, or kept, or `look` fails.
    pub(crate) fn look_ahead(
        self,
        kind: LineKind,
        folder: &Path,
        mut look: impl FnMut(&RawLine) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<Self> {
        let cannot_read = "cannot read the input";
        let mut show = |source: &mut dyn Read| {
            let mut lines = RawLines::new(source, BATCH_BYTES, kind);
            while let Some(line) = lines.next().context(cannot_read)? {
                if look(&line)?.is_break() {
                    break;
                }
            }
            anyhow::Ok(())
        };
        let source = match self.source {
            Source::File(mut file) => {
                show(&mut file)?;
                file.rewind().context(cannot_read)?;
                Source::File(file)
            }
            Source::Stream(stream) => {
                let kept = tempfile::tempfile_in(folder)
                    .with_context(|| format!("cannot keep input in `{}`", folder.display()))?;
                let mut keeping = Keeping { stream, kept };
                show(&mut keeping)?;
                let Keeping { stream, mut kept } = keeping;
                kept.rewind().context(cannot_read)?;
                Source::Stream(Box::new(kept.chain(stream)))
            }
        };
        Ok(Input { source, ..self })
    }

    /// Starts to read; each line comes once for every call that it makes.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn lines(
        self,
        rules: LineRules,
        calls: CallsOfLines,
    ) -> io::Result<(BoxStream<'static, Line>, Arc<ReadSoFar>)> {
        let so_far = Arc::new(ReadSoFar { file_bytes: self.file_bytes, ..ReadSoFar::default() });
        let (batches, received) = mpsc::channel(BATCHES_AHEAD);
        let source: Box<dyn Read + Send> = match self.source {
            Source::File(file) => Box::new(file),
            Source::Stream(stream) => stream,
        };
        let lines = RawLines::new(source, BATCH_BYTES, rules.kind);
        let mut reader = LineReader { lines, rules, calls: calls.clone(), so_far: so_far.clone() };
        thread::Builder::new().name("wasmpool-input".to_owned()).spawn(move || reader.send_all(&batches))?;
        let batches = stream::unfold(received, async |mut received| Some((received.recv().await?, received)));
        let lines = batches.map(stream::iter).flatten();
        if calls.times == 1 {
            return Ok((lines.boxed(), so_far));
        }
        let repeated = move |line: Line| {
            let indexes = calls.of(line.index / calls.times);
            stream::iter(indexes.map(move |index| Line { index, ..line.clone() }))
        };
        Ok((lines.map(repeated).flatten().boxed(), so_far))
    }
}

/// Returns the input of calls without arguments, all of one key.
pub(crate) fn nothing(calls: &CallsOfLines, key: Option<Key>) -> BoxStream<'static, Line> {
    let nothing = move |index| Line { index, input: RawInput::Json("{}".to_owned()), raw: Vec::new(), key };
    stream::iter(calls.of(0).map(nothing)).boxed()
}

/// Returns how many lines of a file make calls; `None` if it is no file that can be read again.
pub(crate) fn count_lines(path: &Path, kind: LineKind) -> Option<u64> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|about| about.is_file()))?;
    let mut lines = RawLines::new(file, BATCH_BYTES, kind);
    let mut count = 0;
    while lines.next().ok()?.is_some() {
        count += 1;
    }
    Some(count)
}

/// Keeps what is read of a stream.
struct Keeping {
    stream: Box<dyn Read + Send>,
    kept: File,
}

impl Read for Keeping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.kept.write_all(&buffer[..read])?;
        Ok(read)
    }
}

struct LineReader<R> {
    lines: RawLines<R>,
    rules: LineRules,
    calls: CallsOfLines,
    so_far: Arc<ReadSoFar>,
}

impl<R: Read> LineReader<R> {
    /// Reads to the end, or until nobody wants more.
    fn send_all(&mut self, batches: &mpsc::Sender<Vec<Line>>) {
        loop {
            match self.next_batch() {
                Ok(batch) if batch.is_empty() => break,
                Ok(batch) => {
                    if batches.blocking_send(batch).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // The first and only one: reading ends here.
                    let _ = self.so_far.trouble.set(error);
                    return;
                }
            }
        }
        self.so_far.has_ended.store(true, Ordering::Release);
    }

    /// Waits for a line that makes calls, and takes with it those that are there already. Empty at the end.
    fn next_batch(&mut self) -> io::Result<Vec<Line>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        loop {
            let Some(raw) = self.lines.next()? else { return Ok(batch) };
            self.so_far.lines.fetch_add(1, Ordering::Relaxed);
            self.so_far.bytes.store(raw.end, Ordering::Relaxed);
            bytes += raw.bytes.len();
            if let Some(first) = self.calls.of(raw.place).next() {
                let line = raw.judge(first, &self.rules);
                bytes += if let RawInput::Bytes(contents) = &line.input { contents.len() } else { 0 };
                batch.push(line);
            }
            if !batch.is_empty() && (bytes >= BATCH_BYTES || !self.lines.has_more_at_once()) {
                return Ok(batch);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::sync::Arc;

    use futures::StreamExt;
    use wasmpool::RawInput;

    use super::{Input, Source};
    use crate::journal::recorded::Recorded;
    use crate::lines::{CallsOfLines, LineKind, LineRules};

    const RULES: LineRules =
        LineRules { kind: LineKind::Text, hint_at_texts: false, keep_raw: false, keys: None };

    fn calls(input: Input, times: u64, recorded: &[u64]) -> Vec<(u64, RawInput)> {
        let recorded = Arc::new(Recorded::new(recorded.iter().copied()));
        let (lines, _) = input.lines(RULES, CallsOfLines { times, recorded }).expect("a thread");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(lines.map(|line| (line.index, line.input)).collect())
    }

    fn stream(text: &'static str) -> Input {
        Input { source: Source::Stream(Box::new(text.as_bytes())), file_bytes: None }
    }

    fn text(text: &str) -> RawInput {
        RawInput::Text(text.to_owned())
    }

    #[test]
    fn lines_come_with_the_indexes_of_calls_that_are_not_recorded() {
        let input = || stream("a\nb\nc\n");
        assert_eq!(calls(input(), 1, &[]), [(0, text("a")), (1, text("b")), (2, text("c"))]);
        assert_eq!(calls(input(), 1, &[0, 2]), [(1, text("b"))]);
        assert_eq!(calls(input(), 2, &[0, 1, 3]), [(2, text("b")), (4, text("c")), (5, text("c"))]);
    }

    #[test]
    fn what_was_looked_at_is_read_again_from_files_and_pipes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        std::fs::write(&path, "a\nb\nc\n").expect("a file");
        for input in [Input::open(Some(&path)).expect("it is there"), stream("a\nb\nc\n")] {
            let mut seen = Vec::new();
            let input = input.look_ahead(LineKind::Text, folder.path(), |line| {
                seen.push(line.without_end().to_owned());
                Ok(if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            });
            assert_eq!(seen, [b"a", b"b"]);
            assert_eq!(calls(input.expect("it can be read"), 1, &[0]), [(1, text("b")), (2, text("c"))]);
        }
        assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1);
    }
}
