//! How large a cache folder may become, and what goes when it is too large: what has not been used for longest.
//! Any number of processes do this at the same time in one folder, so nothing that is found is relied upon: a
//! file that is gone already is as good as deleted, and one that is mapped stays valid without its name.

use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A cache folder may hold this much.
pub(crate) const MOST_BYTES: u64 = 2 << 30;

/// The ending of entries.
pub(crate) const ENTRY: &str = "cwasm";

/// The ending of entries that are being written.
pub(crate) const UNFINISHED: &str = "tmp";

/// Nobody writes one entry for so long: its writer was killed.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

struct Found {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// Deletes what killed writers left, and the entries that were not used for longest until all together are
/// not larger than `most_bytes`; never `newest`. Files that are not entries are left alone.
pub(crate) fn tidy(dir: &Path, newest: &Path, most_bytes: u64, now: SystemTime) {
    let Ok(files) = fs::read_dir(dir) else { return };
    let found: Vec<Found> = files.flatten().filter_map(|file| look_at(&file)).collect();
    let (unfinished, mut entries): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|file| has_ending(&file.path, UNFINISHED));
    for file in unfinished {
        // A time in the future is of a clock that was set back, or of a writer at work.
        if now.duration_since(file.used).is_ok_and(|age| age > ABANDONED_AFTER) {
            remove(&file.path);
        }
    }
    entries.sort_by_key(|entry| entry.used);
    let mut bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    for entry in entries.iter().filter(|entry| entry.path != newest) {
        if bytes <= most_bytes {
            return;
        }
        remove(&entry.path);
        bytes -= entry.bytes;
    }
}

fn look_at(file: &DirEntry) -> Option<Found> {
    let path = file.path();
    let is_ours = has_ending(&path, ENTRY) || has_ending(&path, UNFINISHED);
    let found = file.metadata().ok().filter(|found| is_ours && found.is_file())?;
    Some(Found { path, used: found.modified().ok()?, bytes: found.len() })
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found == ending)
}

fn remove(path: &Path) {
    // Another process was faster, or it stays until the next time.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Makes a file of `bytes` that was used `hours` ago.
    fn file(dir: &Path, name: &str, bytes: usize, hours: u64) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, vec![0; bytes]).unwrap();
        let used = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        File::open(&path).unwrap().set_modified(used).unwrap();
        path
    }

    fn left(dir: &Path) -> Vec<String> {
        let name = |file: std::io::Result<DirEntry>| file.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_only_as_much_as_must() {
        let dir = tempfile::tempdir().unwrap();
        for (name, hours) in [("a.cwasm", 3), ("b.cwasm", 9), ("c.cwasm", 1), ("d.cwasm", 5)] {
            file(dir.path(), name, 100, hours);
        }
        let newest = dir.path().join("c.cwasm");
        tidy(dir.path(), &newest, 400, SystemTime::now());
        assert_eq!(left(dir.path()).len(), 4);
        tidy(dir.path(), &newest, 399, SystemTime::now());
        assert_eq!(left(dir.path()), ["a.cwasm", "c.cwasm", "d.cwasm"]);
        tidy(dir.path(), &newest, 150, SystemTime::now());
        assert_eq!(left(dir.path()), ["c.cwasm"]);
    }

    #[test]
    fn the_newest_stays_even_if_it_is_too_large_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let newest = file(dir.path(), "large.cwasm", 1_000, 100);
        file(dir.path(), "small.cwasm", 1, 0);
        tidy(dir.path(), &newest, 10, SystemTime::now());
        assert_eq!(left(dir.path()), ["large.cwasm"]);
    }

    #[test]
    fn what_killed_writers_left_goes_after_an_hour_and_what_is_not_ours_never() {
        let dir = tempfile::tempdir().unwrap();
        file(dir.path(), "a.1-2.tmp", 10, 2);
        file(dir.path(), "b.1-2.tmp", 10, 0);
        let notes = file(dir.path(), "notes.txt", 10_000, 9_999);
        fs::create_dir(dir.path().join("folder.cwasm")).unwrap();
        tidy(dir.path(), &notes, 1, SystemTime::now());
        assert_eq!(left(dir.path()), ["b.1-2.tmp", "folder.cwasm", "notes.txt"]);
        tidy(&dir.path().join("nowhere"), &notes, 1, SystemTime::now());
    }
}
