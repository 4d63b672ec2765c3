//! Lines of input, read lazily on a thread of their own: a read that waits for a terminal or a pipe holds nothing
//! up. The reader is never more than a few batches ahead of the calls, so memory stays the same however long the
//! input is. A line that is no text is an input all the same: one whose call will fail, and say so.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use anyhow::{Context, bail};
use futures::stream::{self, BoxStream, StreamExt};
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use wasmpool::RawInput;

/// A longer line or file is not kept, and its call fails.
const LONGEST_LINE_BYTES: usize = 64 << 20;
/// Lines travel together until they are this many bytes, if they are there at once.
const BATCH_BYTES: usize = 64 << 10;
/// How many batches the reader may be ahead.
const BATCHES_AHEAD: usize = 4;

/// How the reason ends for which a line that is not JSON fails, where it would do as a text.
pub(crate) const HINT_AT_TEXTS: &str = "did you mean --lines?";

/// The input of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it holds, without the line end.
    pub(crate) input: RawInput,
    /// Its bytes with the line end, if they were asked for.
    pub(crate) raw: Vec<u8>,
}

/// What lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// JSON; blank ones are skipped.
    Json,
    /// The text of an argument, so an empty one counts.
    Text,
    /// The name of a file whose contents are the argument; blank ones are skipped.
    FileName,
}

/// What to make of lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineRules {
    pub(crate) kind: LineKind,
    /// Lines that are not JSON would do as texts, which is worth a hint.
    pub(crate) hint_at_texts: bool,
    /// Keep their bytes.
    pub(crate) keep_raw: bool,
}

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

    /// Returns why reading ended before the input did.
    pub(crate) fn trouble(&self) -> Option<&io::Error> {
        self.trouble.get()
    }
}

/// Where lines come from.
pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    file_bytes: Option<u64>,
}

impl Input {
    /// Opens a file, or stdin for `-` and for nothing.
    ///
    /// # Errors
    /// It cannot be opened, or is a folder.
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let path = match path {
            Some(path) if path != Path::new("-") => path,
            _ => return Ok(Input { source: Box::new(io::stdin()), file_bytes: None }),
        };
        let about = || format!("cannot read the input `{}`", path.display());
        let metadata = fs::metadata(path).with_context(about)?;
        if metadata.is_dir() {
            bail!("{}: it is a folder", about());
        }
        let file = File::open(path).with_context(about)?;
        Ok(Input { source: Box::new(file), file_bytes: metadata.is_file().then_some(metadata.len()) })
    }

    /// Starts to read; each line comes `times` times.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn lines(
        self,
        rules: LineRules,
        times: u64,
    ) -> io::Result<(BoxStream<'static, Line>, Arc<ReadSoFar>)> {
        let so_far = Arc::new(ReadSoFar { file_bytes: self.file_bytes, ..ReadSoFar::default() });
        let (batches, received) = mpsc::channel(BATCHES_AHEAD);
        let source = BufReader::with_capacity(BATCH_BYTES, self.source);
        let mut reader = LineReader { source, rules, so_far: so_far.clone(), number: 0 };
        thread::Builder::new().name("wasmpool-input".to_owned()).spawn(move || reader.send_all(&batches))?;
        let batches = stream::unfold(received, async |mut received| Some((received.recv().await?, received)));
        let repeated = move |line: Line| stream::iter((0..times).map(move |_| line.clone()));
        let lines = batches.map(stream::iter).flatten();
        let lines = if times == 1 { lines.boxed() } else { lines.map(repeated).flatten().boxed() };
        Ok((lines, so_far))
    }
}

/// Returns the input of `times` calls without arguments.
pub(crate) fn nothing(times: u64) -> BoxStream<'static, Line> {
    stream::iter((0..times).map(|_| Line { input: RawInput::Json("{}".to_owned()), raw: Vec::new() })).boxed()
}

struct LineReader<R> {
    source: BufReader<R>,
    rules: LineRules,
    so_far: Arc<ReadSoFar>,
    /// Of the last line, counted from 1, blank ones included.
    number: u64,
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

    /// Waits for a line, and takes with it those that are there already. Empty at the end.
    fn next_batch(&mut self) -> io::Result<Vec<Line>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        loop {
            let Some(raw) = self.next_raw()? else { return Ok(batch) };
            bytes += raw.bytes.len();
            if let Some(line) = self.judge(raw) {
                bytes += if let RawInput::Bytes(contents) = &line.input { contents.len() } else { 0 };
                self.so_far.lines.fetch_add(1, Ordering::Relaxed);
                batch.push(line);
            }
            let more_is_there = self.source.buffer().contains(&b'\n');
            if !batch.is_empty() && (bytes >= BATCH_BYTES || !more_is_there) {
                return Ok(batch);
            }
        }
    }

    fn next_raw(&mut self) -> io::Result<Option<RawLine>> {
        let mut bytes = Vec::new();
        let most = LONGEST_LINE_BYTES as u64 + 1;
        let mut read = self.source.by_ref().take(most).read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let is_too_long = read == most && !bytes.ends_with(b"\n");
        if is_too_long {
            read += self.source.skip_until(b'\n')? as u64;
            bytes = Vec::new();
        }
        self.so_far.bytes.fetch_add(read, Ordering::Relaxed);
        self.number += 1;
        Ok(Some(RawLine { bytes, is_too_long }))
    }

    /// Returns the input that a line is, if it is one.
    fn judge(&self, line: RawLine) -> Option<Line> {
        let raw = if self.rules.keep_raw { line.bytes.clone() } else { Vec::new() };
        let number = self.number;
        if line.is_too_long {
            let reason = format!("line {number} is longer than {} MiB", LONGEST_LINE_BYTES >> 20);
            return Some(Line { input: RawInput::Unreadable(reason), raw });
        }
        let input = match String::from_utf8(without_end(line.bytes)) {
            Ok(text) if text.trim().is_empty() && self.rules.kind != LineKind::Text => return None,
            Ok(text) => self.input_of(text),
            Err(error) => {
                RawInput::Unreadable(format!("line {number} is not UTF-8 text: {}", error.utf8_error()))
            }
        };
        Some(Line { input, raw })
    }

    fn input_of(&self, text: String) -> RawInput {
        match self.rules.kind {
            LineKind::Text => RawInput::Text(text),
            LineKind::FileName => match File::open(&text).and_then(contents) {
                Ok(bytes) => RawInput::Bytes(bytes),
                Err(error) => RawInput::Unreadable(format!("cannot read `{text}`: {error}")),
            },
            LineKind::Json if self.rules.hint_at_texts => match serde_json::from_str::<IgnoredAny>(&text) {
                Ok(_) => RawInput::Json(text),
                Err(error) => RawInput::Unreadable(format!("the line is not JSON: {error}; {HINT_AT_TEXTS}")),
            },
            LineKind::Json => RawInput::Json(text),
        }
    }
}

/// Reads all of what is one argument.
///
/// # Errors
/// It cannot be read, or is larger than an argument may be.
pub(crate) fn contents(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LONGEST_LINE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST_LINE_BYTES {
        return Err(io::Error::other(format!("it is larger than {} MiB", LONGEST_LINE_BYTES >> 20)));
    }
    Ok(bytes)
}

struct RawLine {
    /// With the line end.
    bytes: Vec<u8>,
    is_too_long: bool,
}

/// Cuts off `\n` or `\r\n`, which the last line need not have.
fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};
    use std::sync::Arc;

    use wasmpool::RawInput;

    use super::{BATCH_BYTES, LONGEST_LINE_BYTES, Line, LineKind, LineReader, LineRules, ReadSoFar};

    const JSON: LineRules = LineRules { kind: LineKind::Json, hint_at_texts: false, keep_raw: false };
    const TEXTS: LineRules = LineRules { kind: LineKind::Text, ..JSON };

    fn read_all(rules: LineRules, source: impl Read) -> (Vec<Line>, u64) {
        let so_far = Arc::new(ReadSoFar::default());
        let source = BufReader::with_capacity(BATCH_BYTES, source);
        let mut reader = LineReader { source, rules, so_far: so_far.clone(), number: 0 };
        let mut lines = Vec::new();
        loop {
            let batch = reader.next_batch().expect("memory can be read");
            if batch.is_empty() {
                return (lines, reader.number);
            }
            lines.extend(batch);
        }
    }

    fn texts(rules: LineRules, source: &[u8]) -> Vec<Result<String, String>> {
        read_all(rules, source).0.into_iter().map(|line| text_of(line.input)).collect()
    }

    /// The text of an input, or why there is none.
    fn text_of(input: RawInput) -> Result<String, String> {
        match input {
            RawInput::Json(text) | RawInput::Text(text) => Ok(text),
            RawInput::Bytes(bytes) => Ok(String::from_utf8(bytes).expect("a text file")),
            RawInput::Unreadable(reason) => Err(reason),
        }
    }

    fn good(texts: &[&str]) -> Vec<Result<String, String>> {
        texts.iter().map(|text| Ok(text.to_string())).collect()
    }

    #[test]
    fn lines_end_in_either_way_and_the_last_need_not_end() {
        assert_eq!(texts(JSON, b"1\n2\r\n3"), good(&["1", "2", "3"]));
        assert_eq!(texts(JSON, b""), good(&[]));
        assert_eq!(texts(TEXTS, b"a\rb\n"), good(&["a\rb"]));
    }

    #[test]
    fn blank_lines_are_no_json_but_texts() {
        assert_eq!(texts(JSON, b"\n1\n \t\r\n\n2\n"), good(&["1", "2"]));
        assert_eq!(texts(TEXTS, b"\na\n\n"), good(&["", "a", ""]));
    }

    #[test]
    fn a_line_that_is_no_text_is_told_with_its_number() {
        let lines = texts(JSON, b"\n1\n\xff\n2\n");
        let problem = "line 3 is not UTF-8 text: invalid utf-8 sequence of 1 bytes from index 0";
        assert_eq!(lines, [Ok("1".to_owned()), Err(problem.to_owned()), Ok("2".to_owned())]);
    }

    #[test]
    fn a_line_that_would_do_as_a_text_is_answered_with_a_hint() {
        let lines = texts(LineRules { hint_at_texts: true, ..JSON }, b"\"a\"\nb\n");
        assert_eq!(lines[0], Ok("\"a\"".to_owned()));
        assert!(lines[1].as_ref().is_err_and(|problem| problem.ends_with("; did you mean --lines?")));
    }

    #[test]
    fn raw_bytes_are_kept_when_they_are_wanted() {
        let (lines, _) = read_all(LineRules { keep_raw: true, ..JSON }, b" 1\r\n\n\xff".as_slice());
        let raw: Vec<_> = lines.iter().map(|line| line.raw.as_slice()).collect();
        assert_eq!(raw, [b" 1\r\n".as_slice(), b"\xff"]);
    }

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let endless = std::io::repeat(b'x').take(LONGEST_LINE_BYTES as u64 + 10).chain(b"\nnext".as_slice());
        let (lines, count) = read_all(TEXTS, endless);
        assert_eq!(lines[0].input, RawInput::Unreadable("line 1 is longer than 64 MiB".to_owned()));
        assert_eq!((&lines[1].input, count), (&RawInput::Text("next".to_owned()), 2));
    }

    #[test]
    fn a_file_is_read_by_its_name_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "contents\n").expect("a file");
        let names = format!("{}\n\nmissing.txt\n", file.display());
        let lines = texts(LineRules { kind: LineKind::FileName, ..JSON }, names.as_bytes());
        assert_eq!(lines[0], Ok("contents\n".to_owned()));
        assert!(lines[1].as_ref().is_err_and(|reason| reason.starts_with("cannot read `missing.txt`: ")));
        assert_eq!(lines.len(), 2);
    }
}
