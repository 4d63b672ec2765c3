//! The file of a journal: read before a run, and made ready for what the run adds. Until then nothing in it is changed.
//! It is locked as long as it is open, as two runs that write to it would spoil it. Who writes no journal may only
//! begin where none is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::contents::{Contents, begins_with_record, for_each_record};

/// A journal that is there, and locked.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Where links lead.
    path: PathBuf,
    /// As it was given.
    name: String,
    file: File,
    contents: Contents,
}

impl Journal {
    /// Opens a journal and reads it; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read or written, is not a journal, or is in use.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Option<Self>> {
        let name = path.display().to_string();
        let about = || format!("cannot resume `{name}`");
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(about),
        };
        if !path.is_file() {
            bail!("{}: it is not a plain file", about());
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).with_context(about)?;
        lock(&file, &name)?;
        let contents = Contents::read(&name, BufReader::new(&file))?;
        Ok(Some(Journal { path, name, file, contents }))
    }

    /// Returns what it holds.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Returns its name, as it was given.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Takes away what was cut off, and returns the file, to be written to at its end.
    ///
    /// # Errors
    /// The system does not allow it.
    pub(crate) fn go_on(mut self) -> anyhow::Result<File> {
        let whole_bytes = self.contents.whole_bytes;
        let cut = self.file.set_len(whole_bytes).and_then(|()| self.file.seek(SeekFrom::End(0)));
        cut.with_context(|| format!("cannot write `{}`", self.name))?;
        Ok(self.file)
    }

    /// Takes away the records of failed calls too, all at once: whoever looks, or stops this process, finds the file
    /// as it was or as it is to be.
    ///
    /// # Errors
    /// The system does not allow it; the file is then as it was.
    pub(crate) fn go_on_without_failures(self) -> anyhow::Result<File> {
        if self.contents.failed() == 0 {
            return self.go_on();
        }
        let mut unfinished = self.path.clone().into_os_string();
        unfinished.push(format!(".{}.tmp", std::process::id()));
        let unfinished = PathBuf::from(unfinished);
        let replaced = self.write_done(&unfinished).and_then(|file| {
            fs::rename(&unfinished, &self.path)?;
            sync_folder_of(&self.path);
            Ok(file)
        });
        if replaced.is_err() {
            // The first failure is the one to tell about.
            let _ = fs::remove_file(&unfinished);
        }
        replaced.with_context(|| format!("cannot write `{}`", self.name))
    }

    /// Writes a file of the records of calls that are done.
    fn write_done(&self, path: &Path) -> anyhow::Result<File> {
        let file = File::create(path)?;
        // Before it is found under the journal's name.
        lock(&file, &self.name)?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        let mut done = BufWriter::new(file);
        (&self.file).seek(SeekFrom::Start(0))?;
        for_each_record(&self.name, BufReader::new(&self.file), |record, line| {
            if record.has_failed() { Ok(()) } else { done.write_all(line) }
        })?;
        let file = done.into_inner()?;
        file.sync_all()?;
        Ok(file)
    }
}

/// Opens a file to be written from its beginning.
///
/// # Errors
/// It cannot be written to, or holds a journal.
pub(crate) fn begin(path: &Path) -> anyhow::Result<File> {
    let name = path.display().to_string();
    let about = || format!("cannot write `{name}`");
    let is_journal = path.is_file()
        && File::open(path)
            .and_then(|file| begins_with_record(BufReader::new(file)))
            .with_context(|| format!("cannot read `{name}`"))?;
    if is_journal {
        bail!(
            "{}: it holds records of an earlier run; --resume goes on with them, or remove it first",
            about()
        );
    }
    // Not emptied by being opened: another run may be writing to it.
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).with_context(about)?;
    if file.metadata().with_context(about)?.is_file() {
        lock(&file, &name)?;
        file.set_len(0).with_context(about)?;
        sync_folder_of(path);
    }
    Ok(file)
}

/// Makes sure that nobody else writes to a journal, as long as it is open.
fn lock(file: &File, name: &str) -> anyhow::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("`{name}` is in use by another run"),
        // Not every file system has locks, and without them it is up to who starts runs.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Makes sure that a file is found again after the machine has stopped.
fn sync_folder_of(path: &Path) {
    // Not every system opens folders, and the file's contents are safe either way.
    let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
}

/// Returns the folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::{Journal, begin};

    const DONE: &str = "{\"index\":1,\"key\":\"0123456789abcdef\",\"ok\":1}\n";
    const FAILED: &str = "{\"index\":0,\"key\":\"0123456789abcdef\",\"error\":{}}\n";

    #[test]
    fn what_is_cut_off_goes_and_what_is_added_follows_what_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, format!("{FAILED}{DONE}{{\"ind")).unwrap();
        let journal = Journal::open(&path).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{FAILED}{DONE}{{\"ind"), "not yet");
        journal.go_on().unwrap().write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{FAILED}{DONE}new\n"));
    }

    #[test]
    fn failures_are_taken_out_and_nothing_else_is_left_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, format!("{FAILED}{DONE}{{\"ind")).unwrap();
        let journal = Journal::open(&path).unwrap().unwrap();
        journal.go_on_without_failures().unwrap().write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{DONE}new\n"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_journal_is_written_by_one_run_and_begun_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        assert!(Journal::open(&path).unwrap().is_none());
        let first = begin(&path).unwrap();
        let in_use =
            |result: anyhow::Error| assert!(result.to_string().ends_with("is in use by another run"));
        in_use(begin(&path).unwrap_err());
        in_use(Journal::open(&path).unwrap_err());
        drop(first);
        fs::write(&path, DONE).unwrap();
        assert!(begin(&path).unwrap_err().to_string().contains("--resume goes on with them"));
        assert_eq!(fs::read_to_string(&path).unwrap(), DONE);
        fs::write(&path, FAILED).unwrap();
        let replacement = Journal::open(&path).unwrap().unwrap().go_on_without_failures().unwrap();
        in_use(Journal::open(&path).unwrap_err());
        drop(replacement);
        begin(&path).unwrap();
    }
}
