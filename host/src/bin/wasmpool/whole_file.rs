//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

/// Writes a file such that nobody ever sees half of it. A link is followed; what is no plain file, such as a pipe, is
/// written to as it is, and `-` is stdout.
///
/// # Errors
/// It cannot be written; then what was there before still is, if it was a plain file.
pub(crate) fn write_whole(bytes: &[u8], output: &Path) -> anyhow::Result<()> {
    let written = match fs::canonicalize(output) {
        _ if output.as_os_str() == "-" => io::stdout().lock().write_all(bytes),
        Ok(present) if present.is_file() => replace(bytes, &present),
        Ok(special) => {
            fs::OpenOptions::new().write(true).open(special).and_then(|mut to| to.write_all(bytes))
        }
        Err(_) => replace(bytes, output),
    };
    written.with_context(|| format!("cannot write `{}`", output.display()))
}

fn replace(bytes: &[u8], output: &Path) -> io::Result<()> {
    let mut unfinished = output.to_owned().into_os_string();
    unfinished.push(format!(".{}.tmp", std::process::id()));
    let written = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, output));
    if written.is_err() {
        // The first failure is the one to tell about.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_and_a_device_is_written_to() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "null"].map(|name| folder.path().join(name));
        write_whole(b"one", &file).unwrap();
        symlink(&file, &link).unwrap();
        write_whole(b"two", &link).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        symlink("/dev/null", &pipe).unwrap();
        write_whole(b"three", &pipe).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    }
}
