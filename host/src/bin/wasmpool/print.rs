//! Data on stdout, all at once. A reader who has left is a normal end.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

/// Writes `text` and a line end to stdout.
///
/// # Errors
/// Stdout cannot be written to, other than by a closed pipe.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.write_all(b"\n"))
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to stdout"),
    }
}
