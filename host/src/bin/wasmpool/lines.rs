//! Lines, from bytes to the input of a call. A line that is no text is an input all the same: one whose call will
//! fail, and say so. What is recorded already is passed over without a look at what it holds.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

use serde::de::IgnoredAny;
use wasmpool::RawInput;

use crate::journal::key::{Key, KeyMaker};
use crate::journal::recorded::Recorded;

/// A longer line or file is not kept, and its call fails.
const LONGEST_LINE_BYTES: usize = 64 << 20;

/// How the reason ends for which a line that is not JSON fails, where it would do as a text.
pub(crate) const HINT_AT_TEXTS: &str = "did you mean --lines?";

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

impl LineKind {
    /// All of them.
    pub(crate) const ALL: [LineKind; 3] = [LineKind::Json, LineKind::Text, LineKind::FileName];

    /// Returns the flag by which a line is one argument.
    pub(crate) fn flag(self) -> Option<&'static str> {
        match self {
            LineKind::Json => None,
            LineKind::Text => Some("--lines"),
            LineKind::FileName => Some("--files"),
        }
    }
}

/// Which calls lines make.
#[derive(Clone, Debug)]
pub(crate) struct CallsOfLines {
    /// How many each makes.
    pub(crate) times: u64,
    /// Those that are not made again.
    pub(crate) recorded: Arc<Recorded>,
}

impl CallsOfLines {
    /// Returns the indexes of the calls of a line, by its place among those that are not skipped.
    pub(crate) fn of(&self, place: u64) -> impl Iterator<Item = u64> + use<> {
        let (first, recorded) = (place.saturating_mul(self.times), self.recorded.clone());
        (first..first.saturating_add(self.times)).filter(move |index| !recorded.contains(*index))
    }
}

/// What to make of lines.
#[derive(Clone, Debug)]
pub(crate) struct LineRules {
    pub(crate) kind: LineKind,
    /// Lines that are not JSON would do as texts, which is worth a hint.
    pub(crate) hint_at_texts: bool,
    /// Keep their bytes.
    pub(crate) keep_raw: bool,
    /// Tell their keys.
    pub(crate) keys: Option<KeyMaker>,
}

/// The input of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Of its call; if it makes several, of one of them.
    pub(crate) index: u64,
    /// What it holds, without the line end.
    pub(crate) input: RawInput,
    /// Its bytes with the line end, if they were asked for.
    pub(crate) raw: Vec<u8>,
    /// Its key, if it was asked for.
    pub(crate) key: Option<Key>,
}

/// A line that makes calls, as it was read.
#[derive(Debug, Default)]
pub(crate) struct RawLine {
    /// With the line end; only the beginning of what is too long.
    pub(crate) bytes: Vec<u8>,
    is_too_long: bool,
    /// Counted from 1, skipped ones included.
    pub(crate) number: u64,
    /// Counted from 0, without those that are skipped.
    pub(crate) place: u64,
    /// How many bytes of the source have been read, up to its end.
    pub(crate) end: u64,
}

impl RawLine {
    /// Returns its bytes without the line end.
    pub(crate) fn without_end(&self) -> &[u8] {
        without_end(&self.bytes)
    }

    /// Returns its text, or what is wrong with it.
    pub(crate) fn text(&self) -> Result<&str, String> {
        if self.is_too_long {
            return Err(format!("it is longer than {} MiB", LONGEST_LINE_BYTES >> 20));
        }
        std::str::from_utf8(self.without_end()).map_err(|error| format!("it is not UTF-8 text: {error}"))
    }

    /// Returns the input of its calls.
    pub(crate) fn judge(self, index: u64, rules: &LineRules) -> Line {
        let key = rules.keys.as_ref().map(|keys| keys.key_of(self.without_end()));
        let number = self.number;
        if self.is_too_long {
            let reason = format!("line {number} is longer than {} MiB", LONGEST_LINE_BYTES >> 20);
            return Line { index, input: RawInput::Unreadable(reason), raw: Vec::new(), key };
        }
        let raw = if rules.keep_raw { self.bytes.clone() } else { Vec::new() };
        let mut text = self.bytes;
        text.truncate(without_end(&text).len());
        let input = match String::from_utf8(text) {
            Ok(text) => input_of(text, rules),
            Err(error) => {
                RawInput::Unreadable(format!("line {number} is not UTF-8 text: {}", error.utf8_error()))
            }
        };
        Line { index, input, raw, key }
    }
}

/// The lines of a source that make calls.
pub(crate) struct RawLines<R> {
    source: BufReader<R>,
    kind: LineKind,
    number: u64,
    places: u64,
    bytes: u64,
}

impl<R: Read> RawLines<R> {
    /// Begins to read a source in pieces of `buffer_bytes`.
    pub(crate) fn new(source: R, buffer_bytes: usize, kind: LineKind) -> Self {
        RawLines {
            source: BufReader::with_capacity(buffer_bytes, source),
            kind,
            number: 0,
            places: 0,
            bytes: 0,
        }
    }

    /// Waits for the next line; `None` at the end.
    ///
    /// # Errors
    /// The source cannot be read.
    pub(crate) fn next(&mut self) -> io::Result<Option<RawLine>> {
        while let Some(line) = self.next_of_any()? {
            if self.kind == LineKind::Text || line.is_too_long || !is_blank(&line.bytes) {
                self.places += 1;
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Returns true if the next line is there already.
    pub(crate) fn has_more_at_once(&self) -> bool {
        self.source.buffer().contains(&b'\n')
    }

    fn next_of_any(&mut self) -> io::Result<Option<RawLine>> {
        let mut bytes = Vec::new();
        let most = LONGEST_LINE_BYTES as u64 + 1;
        let mut read = self.source.by_ref().take(most).read_until(b'\n', &mut bytes)? as u64;
        if read == 0 {
            return Ok(None);
        }
        let is_too_long = read == most && !bytes.ends_with(b"\n");
        if is_too_long {
            read += self.source.skip_until(b'\n')? as u64;
        }
        self.bytes += read;
        self.number += 1;
        Ok(Some(RawLine { bytes, is_too_long, number: self.number, place: self.places, end: self.bytes }))
    }
}

fn is_blank(line: &[u8]) -> bool {
    let rest = line.trim_ascii_start();
    match rest.first() {
        None => true,
        Some(byte) if byte.is_ascii_graphic() => false,
        Some(_) => std::str::from_utf8(rest).is_ok_and(|text| text.trim().is_empty()),
    }
}

fn input_of(text: String, rules: &LineRules) -> RawInput {
    match rules.kind {
        LineKind::Text => RawInput::Text(text),
        LineKind::FileName => match File::open(&text).and_then(contents) {
            Ok(bytes) => RawInput::Bytes(bytes),
            Err(error) => RawInput::Unreadable(format!("cannot read `{text}`: {error}")),
        },
        LineKind::Json if rules.hint_at_texts => match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => RawInput::Json(text),
            Err(error) => RawInput::Unreadable(format!("the line is not JSON: {error}; {HINT_AT_TEXTS}")),
        },
        LineKind::Json => RawInput::Json(text),
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

/// Cuts off `\n` or `\r\n`, which the last line need not have.
fn without_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use wasmpool::RawInput;

    use super::{CallsOfLines, LONGEST_LINE_BYTES, Line, LineKind, LineRules, RawLines};
    use crate::journal::key::KeyMaker;
    use crate::journal::recorded::Recorded;

    const JSON: LineRules =
        LineRules { kind: LineKind::Json, hint_at_texts: false, keep_raw: false, keys: None };
    const TEXTS: LineRules = LineRules { kind: LineKind::Text, ..JSON };

    fn read_all(rules: LineRules, source: impl Read) -> Vec<Line> {
        let mut raw_lines = RawLines::new(source, 1 << 16, rules.kind);
        let mut lines = Vec::new();
        while let Some(line) = raw_lines.next().expect("memory can be read") {
            let index = line.place;
            lines.push(line.judge(index, &rules));
        }
        lines
    }

    fn texts(rules: LineRules, source: &[u8]) -> Vec<Result<String, String>> {
        read_all(rules, source).into_iter().map(|line| text_of(line.input)).collect()
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
        let blank = "\n1\n \t\r\n\n\u{b}\u{a0}\u{2003}\n2\n";
        assert_eq!(texts(JSON, blank.as_bytes()), good(&["1", "2"]));
        assert_eq!(texts(JSON, b"\xa0\n").len(), 1, "no text is not blank");
        assert_eq!(texts(TEXTS, b"\na\n\n"), good(&["", "a", ""]));
    }

    #[test]
    fn places_and_numbers_count_what_they_say() {
        let mut lines = RawLines::new(b"\n1\n \n2\n".as_slice(), 1 << 16, LineKind::Json);
        let mut counts = Vec::new();
        while let Some(line) = lines.next().expect("memory can be read") {
            counts.push((line.number, line.place, line.end));
        }
        assert_eq!(counts, [(2, 0, 3), (4, 1, 7)]);
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
        let lines = read_all(LineRules { keep_raw: true, ..JSON }, b" 1\r\n\n\xff".as_slice());
        let raw: Vec<_> = lines.iter().map(|line| line.raw.as_slice()).collect();
        assert_eq!(raw, [b" 1\r\n".as_slice(), b"\xff"]);
    }

    #[test]
    fn a_key_does_not_depend_on_the_line_end() {
        let keys = KeyMaker::new("nap", None);
        let lines = read_all(LineRules { keys: Some(keys.clone()), ..JSON }, b"1\n1\r\n1".as_slice());
        assert!(lines.len() == 3 && lines.iter().all(|line| line.key == Some(keys.key_of(b"1"))));
    }

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let endless = std::io::repeat(b'x').take(LONGEST_LINE_BYTES as u64 + 10).chain(b"\nnext".as_slice());
        let lines = read_all(LineRules { keep_raw: true, ..TEXTS }, endless);
        assert_eq!(lines[0].input, RawInput::Unreadable("line 1 is longer than 64 MiB".to_owned()));
        assert_eq!((&lines[1].input, lines.len()), (&RawInput::Text("next".to_owned()), 2));
        assert_eq!(lines[0].raw, b"");
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

    #[test]
    fn a_line_makes_its_calls_but_for_those_that_are_recorded() {
        let calls = CallsOfLines { times: 3, recorded: Arc::new(Recorded::new([0, 1, 2, 4])) };
        let of = |place| calls.of(place).collect::<Vec<_>>();
        assert_eq!((of(0), of(1), of(2)), (vec![], vec![3, 5], vec![6, 7, 8]));
    }
}
