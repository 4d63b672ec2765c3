//! What stands in a journal: whole records, and after them perhaps one that was cut off when its writer was killed.
//! Anything else is not ours, and is complained of rather than dropped. Of a record only index, key and whether the
//! call failed are kept, in 16 bytes; what else it says may be read by anybody, but not here.

use std::borrow::Cow;
use std::io::{self, BufRead};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use super::key::Key;

/// What every record begins with.
const START: &[u8] = br#"{"index":"#;

/// A call that has ended, as far as it matters to those that have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The index, and in its lowest bit whether the call failed.
    index_and_failed: u64,
    pub(crate) key: Key,
}

impl Record {
    /// Returns the place of the call among all.
    pub(crate) fn index(self) -> u64 {
        self.index_and_failed >> 1
    }

    /// Returns true if the call has no result.
    pub(crate) fn has_failed(self) -> bool {
        self.index_and_failed & 1 == 1
    }
}

/// What stands in a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// By index, each at most once.
    pub(crate) records: Vec<Record>,
    /// Where the last whole record ends.
    pub(crate) whole_bytes: u64,
    /// There is something after it.
    pub(crate) is_torn: bool,
}

impl Contents {
    /// Reads a journal, whose name is for complaints.
    ///
    /// # Errors
    /// It cannot be read, or is not a journal.
    pub(crate) fn read(name: &str, source: impl BufRead) -> anyhow::Result<Self> {
        let mut contents = Contents::default();
        contents.is_torn = for_each_record(name, source, |record, line| {
            contents.records.push(record);
            contents.whole_bytes += line.len() as u64;
            Ok(())
        })?;
        contents.records.sort_unstable_by_key(|record| record.index());
        let twice = contents.records.windows(2).find(|pair| pair[0].index() == pair[1].index());
        if let Some(pair) = twice {
            bail!("`{name}` has two records of call {}; remove one of them", pair[0].index());
        }
        Ok(contents)
    }

    /// Returns how many of the recorded calls failed.
    pub(crate) fn failed(&self) -> u64 {
        self.records.iter().filter(|record| record.has_failed()).count() as u64
    }
}

/// Goes over all whole records of a journal, each with its line. Returns true if more follows, which was cut off.
///
/// # Errors
/// It cannot be read, is not a journal, or `act` fails.
pub(crate) fn for_each_record(
    name: &str,
    mut source: impl BufRead,
    mut act: impl FnMut(Record, &[u8]) -> io::Result<()>,
) -> anyhow::Result<bool> {
    let about = || format!("cannot read `{name}`");
    let mut line = Vec::new();
    for number in 1_u64.. {
        // Looked at first, as what is no journal may have no line ends, and more than fits into memory. Behind a
        // whole record there may be anything, since a machine that stops leaves anything behind.
        let is_ours = number > 1 || may_begin_record(source.fill_buf().with_context(about)?);
        line.clear();
        if is_ours && source.read_until(b'\n', &mut line).with_context(about)? == 0 {
            break;
        }
        match read_record(&line) {
            Read::Whole(record) => act(record, &line)?,
            Read::Torn if is_ours && source.fill_buf().with_context(about)?.is_empty() => return Ok(true),
            Read::Torn | Read::Other => {
                bail!("line {number} of `{name}` is not a record of `map`; name another --output")
            }
            Read::WithoutKey => bail!(
                "line {number} of `{name}` has no key, as it was not written by --output; name another --output"
            ),
        }
    }
    Ok(false)
}

/// Returns true if what starts so, and may go on, begins like a record.
fn may_begin_record(start: &[u8]) -> bool {
    start.starts_with(START) || START.starts_with(start)
}

/// What a line is.
enum Read {
    Whole(Record),
    /// A record that was not written to a file.
    WithoutKey,
    /// Not all of a line, or no JSON.
    Torn,
    /// Something else.
    Other,
}

/// A record, as far as it is looked at.
#[derive(Deserialize)]
struct Fields<'a> {
    index: u64,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "is_there")]
    ok: bool,
    #[serde(default, deserialize_with = "is_there")]
    error: bool,
}

/// Returns true whatever the value is.
fn is_there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

fn read_record(line: &[u8]) -> Read {
    if !line.ends_with(b"\n") {
        return Read::Torn;
    }
    let Ok(Fields { index, key, ok, error }) = serde_json::from_slice(line) else {
        let is_json = serde_json::from_slice::<IgnoredAny>(line).is_ok();
        return if is_json { Read::Other } else { Read::Torn };
    };
    // No input has so many lines, and the lowest bit is in use.
    if ok == error || index > u64::MAX >> 1 {
        return Read::Other;
    }
    match key.as_deref().map(Key::parse) {
        Some(Some(key)) => Read::Whole(Record { index_and_failed: index << 1 | u64::from(error), key }),
        Some(None) => Read::Other,
        None => Read::WithoutKey,
    }
}

/// Returns true if a file begins with a record of a journal.
///
/// # Errors
/// It cannot be read.
pub(crate) fn begins_with_record(mut source: impl BufRead) -> io::Result<bool> {
    let mut line = Vec::new();
    if source.fill_buf()?.is_empty() || !may_begin_record(source.fill_buf()?) {
        return Ok(false);
    }
    source.read_until(b'\n', &mut line)?;
    Ok(matches!(read_record(&line), Read::Whole(_)))
}

#[cfg(test)]
mod tests {
    use super::{Contents, begins_with_record};

    const DONE: &str =
        r#"{"index":0,"key":"0123456789abcdef","ok":null,"attempts":1,"wait_ms":0.1,"run_ms":1.0}"#;
    const FAILED: &str = r#"{"index":1,"key":"0123456789abcde0","error":{"kind":"x"},"attempts":1}"#;

    /// Index and failure of each record, how many bytes are whole, and whether more follow.
    type Found = (Vec<(u64, bool)>, u64, bool);

    fn read(text: &str) -> Result<Found, String> {
        let contents = Contents::read("out", text.as_bytes()).map_err(|error| error.to_string())?;
        let records = contents.records.iter().map(|record| (record.index(), record.has_failed())).collect();
        Ok((records, contents.whole_bytes, contents.is_torn))
    }

    #[test]
    fn records_come_by_index_whatever_their_order_in_the_file() {
        let both = format!("{FAILED}\n{DONE}\n");
        assert_eq!(read(&both), Ok((vec![(0, false), (1, true)], both.len() as u64, false)));
        assert_eq!(read(""), Ok((vec![], 0, false)));
        assert_eq!(
            Contents::read("out", both.as_bytes()).unwrap().records[0].key.to_string(),
            "0123456789abcdef"
        );
    }

    #[test]
    fn whatever_is_cut_off_is_the_end_of_what_is_whole() {
        let all = format!("{DONE}\n{FAILED}\n");
        let first = DONE.len() + 1;
        for cut in 0..all.len() {
            let (records, whole_bytes, is_torn) = read(&all[..cut]).unwrap();
            let expected = if cut < first { 0 } else { first };
            assert_eq!((records.len(), whole_bytes as usize), (usize::from(cut >= first), expected), "{cut}");
            assert_eq!(is_torn, cut != expected, "{cut}");
        }
    }

    #[test]
    fn a_last_line_that_is_no_json_was_cut_off_too() {
        for torn in ["{\"index\":1,\"key\"\n", "{\"index\":1,\"ke\0\0\0\0", "\0\0\0\0", "garbage\n", "\n"] {
            let all = format!("{DONE}\n{torn}");
            assert_eq!(read(&all), Ok((vec![(0, false)], DONE.len() as u64 + 1, true)), "{torn:?}");
        }
    }

    #[test]
    fn what_is_no_journal_is_refused_with_its_line() {
        let no_record =
            |line| Err(format!("line {line} of `out` is not a record of `map`; name another --output"));
        for other in ["some notes", "some notes\n", "3\n", "\n", "[1]\n2\n", "\0"] {
            assert_eq!(read(other), no_record(1), "{other:?}");
        }
        assert_eq!(read(&format!("{DONE}\n{{\"index\":\n{FAILED}\n")), no_record(2));
        assert_eq!(read(&format!("{DONE}\n{{\"index\":1}}\n")), no_record(2));
        assert_eq!(read(&format!("{DONE}\n3\n")), no_record(2));
        let without_result = r#"{"index":1,"key":"0123456789abcde0","attempts":1}"#;
        assert_eq!(read(&format!("{without_result}\n{DONE}\n")), no_record(1));
        let keyless = "{\"index\":0,\"ok\":1,\"attempts\":1}\n";
        assert!(read(keyless).unwrap_err().starts_with("line 1 of `out` has no key"));
        let twice = format!("{DONE}\n{FAILED}\n{DONE}\n");
        assert_eq!(read(&twice), Err("`out` has two records of call 0; remove one of them".to_owned()));
    }

    #[test]
    fn only_a_journal_begins_with_a_record() {
        let begins = |text: &str| begins_with_record(text.as_bytes()).unwrap();
        assert!(begins(&format!("{DONE}\nwhatever")));
        for other in ["", "3\n4\n", "{\"index\":0,\"ok\":1}\n", "{\"index\":0", "\0"] {
            assert!(!begins(other), "{other:?}");
        }
    }
}
