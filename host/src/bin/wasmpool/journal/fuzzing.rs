//! What a fuzz target does with output files that are gone on with. It is built into that target (see `fuzz/`) and
//! into tests, which replay the corpus that is kept.

use super::contents::{Contents, Record, begins_with_record, for_each_record};
use super::key::Key;
use super::recorded::Recorded;

/// Reads `bytes` as a journal, and goes on with it if it is one.
pub(crate) fn journal(bytes: &[u8]) {
    let begins = begins_with_record(bytes).expect("memory can be read");
    let Ok(contents) = Contents::read("journal", bytes) else { return };
    assert_eq!(begins, contents.whole_bytes > 0);
    let whole = &bytes[..usize::try_from(contents.whole_bytes).expect("not more than there are bytes")];
    assert_eq!(contents.is_torn, whole.len() < bytes.len());
    let again = Contents::read("journal", whole).expect("what is whole stays a journal");
    assert_eq!(again, Contents { is_torn: false, ..contents.clone() });
    leave_failures_out(whole, &contents.records);
    look_between(&contents.records);
}

fn leave_failures_out(whole: &[u8], records: &[Record]) {
    let mut done = Vec::new();
    let is_torn = for_each_record("journal", whole, |record, line| {
        assert_eq!(Key::parse(&record.key.to_string()), Some(record.key));
        if !record.has_failed() {
            done.extend_from_slice(line);
        }
        Ok(())
    });
    assert!(is_torn.is_ok_and(|is_torn| !is_torn));
    let done = Contents::read("journal", done.as_slice()).expect("some of a journal is one");
    assert!(done.records.iter().eq(records.iter().filter(|record| !record.has_failed())));
}

fn look_between(records: &[Record]) {
    let recorded = Recorded::new(records.iter().map(|record| record.index()));
    assert_eq!(recorded.len(), records.len() as u64);
    assert!(records.iter().all(|record| recorded.contains(record.index())));
    let left: Vec<_> = (0..=recorded.len()).map(|place| recorded.index_of(place)).collect();
    assert!(left.is_sorted_by(|one, next| one < next));
    assert!(!left.iter().any(|index| recorded.contains(*index)));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn kept_journals_are_gone_on_with_or_refused() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/journal");
        let files: Vec<_> = fs::read_dir(corpus).expect("the corpus is kept in the repository").collect();
        assert!(!files.is_empty());
        for file in files {
            super::journal(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
